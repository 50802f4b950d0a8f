# A group that exists and comes under Terraform's care: it stands as it is.
provider "aws" {
  region = "eu-central-1"
}

import {
  to = aws_security_group.by_hand
  id = "sg-0cccccccccccccccc"
}

resource "aws_security_group" "by_hand" {
  name   = "by-hand"
  vpc_id = "vpc-0123456789abcdef0"
}

resource "aws_vpc_security_group_ingress_rule" "new" {
  security_group_id = aws_security_group.by_hand.id
  ip_protocol       = "tcp"
  from_port         = 3306
  to_port           = 3306
  cidr_ipv4         = "0.0.0.0/0"
}
