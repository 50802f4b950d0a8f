# The module names its group by a local value, as terraform-aws-modules/security-group does.
provider "aws" {
  region = "eu-central-1"
}

module "web" {
  source  = "./security-group"
  name    = "web"
  ingress = ["0.0.0.0/0"]
}

module "office" {
  source  = "./security-group"
  name    = "office"
  ingress = ["52.94.76.0/24"]
}

module "halves" {
  source  = "./security-group"
  name    = "halves"
  ingress = ["52.0.0.0/10", "52.64.0.0/10"]
}
