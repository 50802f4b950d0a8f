# What stands before the change of main.tf.
provider "aws" {
  region = "eu-central-1"
}

resource "aws_security_group" "app" {
  name   = "app"
  vpc_id = "vpc-0123456789abcdef0"
}

resource "aws_security_group_rule" "world_ssh" {
  type              = "ingress"
  security_group_id = aws_security_group.app.id
  protocol          = "tcp"
  from_port         = 22
  to_port           = 22
  cidr_blocks       = ["0.0.0.0/0"]
}

resource "aws_security_group_rule" "half" {
  type              = "ingress"
  security_group_id = aws_security_group.app.id
  protocol          = "tcp"
  from_port         = 3389
  to_port           = 3389
  cidr_blocks       = ["52.0.0.0/10"]
}

resource "aws_security_group_rule" "destroyed" {
  type              = "ingress"
  security_group_id = aws_security_group.app.id
  protocol          = "tcp"
  from_port         = 5432
  to_port           = 5432
  cidr_blocks       = ["52.0.0.0/10"]
}

resource "aws_security_group_rule" "grows" {
  type              = "ingress"
  security_group_id = aws_security_group.app.id
  protocol          = "tcp"
  from_port         = 6379
  to_port           = 6379
  cidr_blocks       = ["10.0.0.0/8"]
}

resource "aws_vpc_security_group_ingress_rule" "widens" {
  security_group_id = aws_security_group.app.id
  ip_protocol       = "tcp"
  from_port         = 9200
  to_port           = 9200
  cidr_ipv4         = "52.94.76.0/24"
}

resource "aws_vpc_security_group_ingress_rule" "renamed" {
  security_group_id = aws_security_group.app.id
  ip_protocol       = "tcp"
  from_port         = 27017
  to_port           = 27017
  cidr_ipv4         = "0.0.0.0/0"
  description       = "before"
}

resource "aws_vpc_security_group_ingress_rule" "forgotten" {
  security_group_id = aws_security_group.app.id
  ip_protocol       = "tcp"
  from_port         = 11211
  to_port           = 11211
  cidr_ipv4         = "52.0.0.0/10"
}

resource "aws_vpc_security_group_ingress_rule" "old_name" {
  security_group_id = aws_security_group.app.id
  ip_protocol       = "tcp"
  from_port         = 3306
  to_port           = 3306
  cidr_ipv4         = "0.0.0.0/0"
}

resource "aws_security_group" "inline" {
  name   = "inline"
  vpc_id = "vpc-0123456789abcdef0"
  ingress {
    protocol    = "tcp"
    from_port   = 22
    to_port     = 22
    cidr_blocks = ["0.0.0.0/0"]
  }
}

resource "aws_security_group" "replaced" {
  name   = "replaced"
  vpc_id = "vpc-0123456789abcdef0"
  ingress {
    protocol    = "tcp"
    from_port   = 22
    to_port     = 22
    cidr_blocks = ["0.0.0.0/0"]
  }
}

resource "aws_security_group" "destroyed" {
  name   = "destroyed"
  vpc_id = "vpc-0123456789abcdef0"
  ingress {
    protocol    = "tcp"
    from_port   = 23
    to_port     = 23
    cidr_blocks = ["0.0.0.0/0"]
  }
}
