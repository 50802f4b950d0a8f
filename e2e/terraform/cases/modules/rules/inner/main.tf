variable "group" {}

# Together with aws_security_group.counted[0]'s other half.
resource "aws_security_group_rule" "half" {
  type              = "ingress"
  security_group_id = var.group
  protocol          = "tcp"
  from_port         = 3306
  to_port           = 3306
  cidr_blocks       = ["52.64.0.0/10"]
}
