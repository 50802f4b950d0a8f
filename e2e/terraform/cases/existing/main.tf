# A change of before.tf.
provider "aws" {
  region = "eu-central-1"
}

# Only tags change, and the plan carries the whole rule set along.
resource "aws_security_group" "app" {
  name   = "app"
  vpc_id = "vpc-0123456789abcdef0"
  tags   = { team = "app" }
}

# Stands: no finding.
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

# The other half: a finding, together with the one that stands.
resource "aws_vpc_security_group_ingress_rule" "other_half" {
  security_group_id = aws_security_group.app.id
  ip_protocol       = "tcp"
  from_port         = 3389
  to_port           = 3389
  cidr_ipv4         = "52.64.0.0/10"
}

# Its other half is destroyed by this plan: none.
resource "aws_vpc_security_group_ingress_rule" "instead" {
  security_group_id = aws_security_group.app.id
  ip_protocol       = "tcp"
  from_port         = 5432
  to_port           = 5432
  cidr_ipv4         = "52.64.0.0/10"
}

# Replaced, with the world beside what it had.
resource "aws_security_group_rule" "grows" {
  type              = "ingress"
  security_group_id = aws_security_group.app.id
  protocol          = "tcp"
  from_port         = 6379
  to_port           = 6379
  cidr_blocks       = ["10.0.0.0/8", "0.0.0.0/0"]
}

# Changed in place to the world.
resource "aws_vpc_security_group_ingress_rule" "widens" {
  security_group_id = aws_security_group.app.id
  ip_protocol       = "tcp"
  from_port         = 9200
  to_port           = 9200
  cidr_ipv4         = "0.0.0.0/0"
}

# Only the description changes: it stands.
resource "aws_vpc_security_group_ingress_rule" "renamed" {
  security_group_id = aws_security_group.app.id
  ip_protocol       = "tcp"
  from_port         = 27017
  to_port           = 27017
  cidr_ipv4         = "0.0.0.0/0"
  description       = "after"
}

# Forgotten, not destroyed: it stands and counts.
removed {
  from = aws_vpc_security_group_ingress_rule.forgotten
  lifecycle {
    destroy = false
  }
}

resource "aws_vpc_security_group_ingress_rule" "beside_forgotten" {
  security_group_id = aws_security_group.app.id
  ip_protocol       = "tcp"
  from_port         = 11211
  to_port           = 11211
  cidr_ipv4         = "52.64.0.0/10"
}

moved {
  from = aws_vpc_security_group_ingress_rule.old_name
  to   = aws_vpc_security_group_ingress_rule.new_name
}

resource "aws_vpc_security_group_ingress_rule" "new_name" {
  security_group_id = aws_security_group.app.id
  ip_protocol       = "tcp"
  from_port         = 3306
  to_port           = 3306
  cidr_ipv4         = "0.0.0.0/0"
}

# One block more: SSH stands, RDP is new.
resource "aws_security_group" "inline" {
  name   = "inline"
  vpc_id = "vpc-0123456789abcdef0"
  ingress {
    protocol    = "tcp"
    from_port   = 22
    to_port     = 22
    cidr_blocks = ["0.0.0.0/0"]
  }
  ingress {
    protocol    = "tcp"
    from_port   = 3389
    to_port     = 3389
    cidr_blocks = ["0.0.0.0/0"]
  }
}

# Another name makes another group, and its rules with it.
resource "aws_security_group" "replaced" {
  name   = "replaced-2"
  vpc_id = "vpc-0123456789abcdef0"
  ingress {
    protocol    = "tcp"
    from_port   = 22
    to_port     = 22
    cidr_blocks = ["0.0.0.0/0"]
  }
  lifecycle {
    create_before_destroy = true
  }
}
