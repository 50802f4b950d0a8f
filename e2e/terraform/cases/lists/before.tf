provider "aws" {
  region = "eu-central-1"
}

resource "aws_ec2_managed_prefix_list" "partners" {
  name           = "partners"
  address_family = "IPv4"
  max_entries    = 10
  entry {
    cidr = "52.94.76.0/24"
  }
}

resource "aws_security_group" "standing" {
  name = "standing"
}

# Untouched by the change, which edits its list.
resource "aws_vpc_security_group_ingress_rule" "standing" {
  security_group_id = aws_security_group.standing.id
  ip_protocol       = "tcp"
  from_port         = 5432
  to_port           = 5432
  prefix_list_id    = aws_ec2_managed_prefix_list.partners.id
}
