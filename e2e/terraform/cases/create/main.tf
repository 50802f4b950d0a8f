# Every way to write a rule, in groups that do not exist yet.
provider "aws" {
  region = "eu-central-1"
}

resource "aws_security_group" "inline" {
  name   = "inline"
  vpc_id = "vpc-0123456789abcdef0"
  ingress {
    description = "SSH for everybody"
    protocol    = "TCP"
    from_port   = 22
    to_port     = 22
    cidr_blocks = ["10.0.0.0/8", "0.0.0.0/0"]
  }
  ingress {
    protocol         = "6"
    from_port        = 443
    to_port          = 443
    cidr_blocks      = ["0.0.0.0/0"]
    ipv6_cidr_blocks = ["::/0"]
  }
  egress {
    protocol    = "-1"
    from_port   = 0
    to_port     = 0
    cidr_blocks = ["10.0.0.0/8"]
  }
}

# The same as a list of objects, which blocks are too.
resource "aws_security_group" "listed" {
  name   = "listed"
  vpc_id = "vpc-0123456789abcdef0"
  ingress = [{
    description      = ""
    protocol         = "tcp"
    from_port        = 3306
    to_port          = 3306
    cidr_blocks      = []
    ipv6_cidr_blocks = ["::/0"]
    prefix_list_ids  = []
    security_groups  = []
    self             = false
  }]
}

variable "ports" {
  type    = set(number)
  default = [80, 6379]
}

resource "aws_security_group" "dynamic" {
  name = "dynamic"
  dynamic "ingress" {
    for_each = var.ports
    content {
      protocol    = "tcp"
      from_port   = ingress.value
      to_port     = ingress.value
      cidr_blocks = ["0.0.0.0/0"]
    }
  }
}

# Rules of their own, in a group of their own.
resource "aws_security_group" "apart" {
  name   = "apart"
  vpc_id = "vpc-0123456789abcdef0"
  tags   = { team = "data" }
}

resource "aws_security_group_rule" "postgres" {
  type              = "ingress"
  security_group_id = aws_security_group.apart.id
  protocol          = "tcp"
  from_port         = 5432
  to_port           = 5432
  cidr_blocks       = ["0.0.0.0/0", "10.1.0.0/16"]
}

resource "aws_security_group_rule" "from_inline" {
  type                     = "ingress"
  security_group_id        = aws_security_group.apart.id
  protocol                 = "tcp"
  from_port                = 0
  to_port                  = 65535
  source_security_group_id = aws_security_group.inline.id
}

resource "aws_security_group_rule" "self" {
  type              = "ingress"
  security_group_id = aws_security_group.apart.id
  protocol          = "-1"
  from_port         = 0
  to_port           = 0
  self              = true
}

# Two halves of the world, in two resources of two types.
resource "aws_security_group_rule" "lower_half" {
  type              = "ingress"
  security_group_id = aws_security_group.apart.id
  protocol          = "tcp"
  from_port         = 3389
  to_port           = 3389
  cidr_blocks       = ["52.0.0.0/10"]
}

resource "aws_vpc_security_group_ingress_rule" "upper_half" {
  security_group_id = aws_security_group.apart.id
  ip_protocol       = "6"
  from_port         = 3000
  to_port           = 4000
  cidr_ipv4         = "52.64.0.0/10"
  tags              = { owner = "net" }
}

resource "aws_vpc_security_group_egress_rule" "everything" {
  security_group_id = aws_security_group.apart.id
  ip_protocol       = "-1"
  cidr_ipv4         = "0.0.0.0/0"
}

# An office's range is not the world: the group is new, so all its rules are known.
resource "aws_vpc_security_group_ingress_rule" "office" {
  security_group_id = aws_security_group.apart.id
  ip_protocol       = "tcp"
  from_port         = 22
  to_port           = 22
  cidr_ipv4         = "52.94.76.0/24"
}

# Groups that exist outside of this configuration.
data "aws_security_group" "shared" {
  name = "shared"
}

resource "aws_vpc_security_group_ingress_rule" "outside" {
  security_group_id = data.aws_security_group.shared.id
  ip_protocol       = "tcp"
  from_port         = 22
  to_port           = 22
  cidr_ipv4         = "0.0.0.0/0"
}

resource "aws_vpc_security_group_ingress_rule" "outside_narrow" {
  security_group_id = "sg-0bbbbbbbbbbbbbbbb"
  ip_protocol       = "tcp"
  from_port         = 3306
  to_port           = 3306
  cidr_ipv4         = "52.94.76.7/32"
}

# Port 0 alone, not every port.
resource "aws_security_group_rule" "port_zero" {
  type              = "ingress"
  security_group_id = aws_security_group.dynamic.id
  protocol          = "tcp"
  from_port         = 0
  to_port           = 0
  cidr_blocks       = ["10.0.0.0/8"]
}

# Nothing is made of these.
resource "aws_security_group" "none" {
  count = 0
  name  = "none"
  ingress {
    protocol    = "-1"
    from_port   = 0
    to_port     = 0
    cidr_blocks = ["0.0.0.0/0"]
  }
}
