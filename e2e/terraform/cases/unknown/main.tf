# Values that are known after apply.
provider "aws" {
  region = "eu-central-1"
}

resource "aws_eip" "nat" {}

resource "aws_security_group" "web" {
  name = "web"
}

# An address that is known later, on ports that the policy watches and on one that it does not.
resource "aws_security_group_rule" "ssh_from_nat" {
  type              = "ingress"
  security_group_id = aws_security_group.web.id
  protocol          = "tcp"
  from_port         = 22
  to_port           = 22
  cidr_blocks       = ["10.0.0.0/8", "${aws_eip.nat.public_ip}/32"]
}

resource "aws_vpc_security_group_ingress_rule" "https_from_nat" {
  security_group_id = aws_security_group.web.id
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  cidr_ipv4         = "${aws_eip.nat.public_ip}/32"
}

# A port that is known later.
resource "aws_vpc_security_group_ingress_rule" "port" {
  security_group_id = aws_security_group.web.id
  ip_protocol       = "tcp"
  from_port         = length(aws_eip.nat.public_ip)
  to_port           = 6000
  cidr_ipv4         = "0.0.0.0/0"
}

resource "aws_vpc_security_group_ingress_rule" "port_from_inside" {
  security_group_id = aws_security_group.web.id
  ip_protocol       = "tcp"
  from_port         = length(aws_eip.nat.public_ip)
  to_port           = 6000
  cidr_ipv4         = "10.0.0.0/8"
}

# Blocks of which not even the number is known.
resource "aws_security_group" "dynamic" {
  name = "dynamic"
  dynamic "ingress" {
    for_each = toset([aws_eip.nat.public_ip])
    content {
      protocol    = "tcp"
      from_port   = 22
      to_port     = 22
      cidr_blocks = ["${ingress.value}/32"]
    }
  }
}

# A whole attribute.
resource "aws_security_group" "attribute" {
  name = "attribute"
  ingress = aws_eip.nat.public_ip == "203.0.113.1" ? [] : [{
    description = "", protocol = "tcp", from_port = 22, to_port = 22, cidr_blocks = ["0.0.0.0/0"], ipv6_cidr_blocks = [],
    prefix_list_ids = [], security_groups = [], self = false
  }]
}

# A group that may be one of two.
resource "aws_vpc_security_group_ingress_rule" "either" {
  security_group_id = aws_eip.nat.public_ip == "203.0.113.1" ? aws_security_group.web.id : aws_security_group.dynamic.id
  ip_protocol       = "tcp"
  from_port         = 22
  to_port           = 22
  cidr_ipv4         = "52.94.76.0/24"
}
