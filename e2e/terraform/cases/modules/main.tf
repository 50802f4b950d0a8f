# Groups and rules of which only the references in the configuration say what belongs together.
provider "aws" {
  region = "eu-central-1"
}

module "net" {
  source   = "./net"
  for_each = toset(["eu west", "a.b[\"c\"]"])
  name     = each.key
}

# Two halves of the world in one group: one in the module, one here.
resource "aws_vpc_security_group_ingress_rule" "outside_half" {
  for_each          = toset(["eu west", "a.b[\"c\"]"])
  security_group_id = module.net[each.key].group_id
  ip_protocol       = "tcp"
  from_port         = 22
  to_port           = 22
  cidr_ipv4         = "52.64.0.0/10"
}

resource "aws_security_group" "counted" {
  count = 2
  name  = "counted-${count.index}"
}

resource "aws_vpc_security_group_ingress_rule" "counted" {
  count             = 2
  security_group_id = aws_security_group.counted[count.index].id
  ip_protocol       = "tcp"
  from_port         = 3389
  to_port           = 3389
  cidr_ipv4         = "52.94.76.0/24"
}

resource "aws_vpc_security_group_ingress_rule" "first" {
  security_group_id = aws_security_group.counted[0].id
  ip_protocol       = "tcp"
  from_port         = 3306
  to_port           = 3306
  cidr_ipv4         = "52.0.0.0/10"
}

# Halves of two groups: no world.
resource "aws_vpc_security_group_ingress_rule" "second" {
  security_group_id = aws_security_group.counted[1].id
  ip_protocol       = "tcp"
  from_port         = 3306
  to_port           = 3306
  cidr_ipv4         = "52.64.0.0/10"
}

# A group handed to a module by a variable, two levels down.
module "rules" {
  source   = "./rules"
  group_id = aws_security_group.counted[0].id
}
