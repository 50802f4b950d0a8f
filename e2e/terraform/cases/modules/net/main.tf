variable "name" {}

resource "aws_security_group" "g" {
  name = var.name
}

resource "aws_vpc_security_group_ingress_rule" "half" {
  security_group_id = aws_security_group.g.id
  ip_protocol       = "tcp"
  from_port         = 22
  to_port           = 22
  cidr_ipv4         = "52.0.0.0/10"
}

output "group_id" {
  value = aws_security_group.g.id
}
