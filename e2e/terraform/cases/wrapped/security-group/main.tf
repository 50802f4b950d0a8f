variable "name" {}
variable "ingress" {}
variable "create" {
  default = true
}
variable "use_name_prefix" {
  default = true
}

locals {
  this_sg_id = concat(aws_security_group.this.*.id, aws_security_group.this_name_prefix.*.id, [""])[0]
}

resource "aws_security_group" "this" {
  count = var.create && !var.use_name_prefix ? 1 : 0
  name  = var.name
}

resource "aws_security_group" "this_name_prefix" {
  count       = var.create && var.use_name_prefix ? 1 : 0
  name_prefix = "${var.name}-"
}

resource "aws_security_group_rule" "ingress" {
  count             = length(var.ingress)
  type              = "ingress"
  security_group_id = local.this_sg_id
  protocol          = "tcp"
  from_port         = 22
  to_port           = 22
  cidr_blocks       = [var.ingress[count.index]]
}
