provider "aws" {
  region = "eu-central-1"
}

variable "partner" {
  sensitive = true
  default   = "52.0.0.0/8"
}

resource "aws_security_group" "web" {
  name = "web"
  ingress {
    protocol    = "tcp"
    from_port   = 22
    to_port     = 22
    cidr_blocks = [var.partner]
  }
}

resource "aws_security_group_rule" "partner" {
  type              = "ingress"
  security_group_id = aws_security_group.web.id
  protocol          = "tcp"
  from_port         = 3306
  to_port           = 3306
  cidr_blocks       = [var.partner]
}

resource "aws_vpc_security_group_ingress_rule" "partner" {
  security_group_id = aws_security_group.web.id
  ip_protocol       = "tcp"
  from_port         = 5432
  to_port           = 5432
  cidr_ipv4         = var.partner
}
