variable "group_id" {}

module "inner" {
  source = "./inner"
  group  = var.group_id
}
