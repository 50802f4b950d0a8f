provider "aws" {
  region = "eu-central-1"
}

# The edit that opens a rule which stands.
resource "aws_ec2_managed_prefix_list" "partners" {
  name           = "partners"
  address_family = "IPv4"
  max_entries    = 10
  entry {
    cidr = "52.94.76.0/24"
  }
  entry {
    cidr = "0.0.0.0/1"
  }
}

resource "aws_security_group" "standing" {
  name = "standing"
}

resource "aws_vpc_security_group_ingress_rule" "standing" {
  security_group_id = aws_security_group.standing.id
  ip_protocol       = "tcp"
  from_port         = 5432
  to_port           = 5432
  prefix_list_id    = aws_ec2_managed_prefix_list.partners.id
}

# Two halves of the world as entries of their own.
resource "aws_ec2_managed_prefix_list" "world" {
  name           = "world"
  address_family = "IPv4"
  max_entries    = 10
}

resource "aws_ec2_managed_prefix_list_entry" "world" {
  for_each       = toset(["0.0.0.0/1", "128.0.0.0/1"])
  cidr           = each.value
  prefix_list_id = aws_ec2_managed_prefix_list.world.id
}

resource "aws_ec2_managed_prefix_list" "office" {
  name           = "office"
  address_family = "IPv4"
  max_entries    = 10
  entry {
    cidr = "52.94.77.0/24"
  }
}

resource "aws_eip" "later" {}

resource "aws_ec2_managed_prefix_list" "later" {
  name           = "later"
  address_family = "IPv4"
  max_entries    = 10
  entry {
    cidr = "${aws_eip.later.public_ip}/32"
  }
}

data "aws_ec2_managed_prefix_list" "known" {
  name = "known"
}

data "aws_prefix_list" "s3" {
  name = "com.amazonaws.eu-central-1.s3"
}

resource "aws_security_group" "lists" {
  name = "lists"
}

resource "aws_security_group_rule" "lists" {
  for_each = {
    world  = aws_ec2_managed_prefix_list.world.id
    office = aws_ec2_managed_prefix_list.office.id
  }
  type              = "ingress"
  security_group_id = aws_security_group.lists.id
  protocol          = "tcp"
  from_port         = 22
  to_port           = 22
  prefix_list_ids   = [each.value]
}

resource "aws_vpc_security_group_ingress_rule" "world" {
  security_group_id = aws_security_group.lists.id
  ip_protocol       = "tcp"
  from_port         = 3306
  to_port           = 3306
  prefix_list_id    = aws_ec2_managed_prefix_list.world.id
}

resource "aws_vpc_security_group_ingress_rule" "later" {
  security_group_id = aws_security_group.lists.id
  ip_protocol       = "tcp"
  from_port         = 6379
  to_port           = 6379
  prefix_list_id    = aws_ec2_managed_prefix_list.later.id
}

resource "aws_vpc_security_group_ingress_rule" "office" {
  security_group_id = aws_security_group.lists.id
  ip_protocol       = "tcp"
  from_port         = 9200
  to_port           = 9200
  prefix_list_id    = aws_ec2_managed_prefix_list.office.id
}

resource "aws_vpc_security_group_ingress_rule" "known" {
  security_group_id = aws_security_group.lists.id
  ip_protocol       = "tcp"
  from_port         = 11211
  to_port           = 11211
  prefix_list_id    = data.aws_ec2_managed_prefix_list.known.id
}

resource "aws_vpc_security_group_ingress_rule" "s3" {
  security_group_id = aws_security_group.lists.id
  ip_protocol       = "tcp"
  from_port         = 27017
  to_port           = 27017
  prefix_list_id    = data.aws_prefix_list.s3.id
}

resource "aws_vpc_security_group_ingress_rule" "foreign" {
  security_group_id = aws_security_group.lists.id
  ip_protocol       = "tcp"
  from_port         = 1433
  to_port           = 1433
  prefix_list_id    = "pl-0dddddddddddddddd"
}
