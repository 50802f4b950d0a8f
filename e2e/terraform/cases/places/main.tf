# Regions, accounts and tags that only the providers' configuration names.
variable "region" {
  default = "us-west-2"
}

provider "aws" {
  region = var.region
  default_tags {
    tags = { env = "prod" }
  }
}

provider "aws" {
  alias  = "eu"
  region = "eu-west-1"
  assume_role {
    role_arn = "arn:aws:iam::111122223333:role/deploy"
  }
}

resource "aws_security_group" "us" {
  name = "us"
  tags = { team = "web" }
  ingress {
    protocol    = "tcp"
    from_port   = 22
    to_port     = 22
    cidr_blocks = ["0.0.0.0/0"]
  }
}

resource "aws_security_group" "eu" {
  provider = aws.eu
  name     = "eu"
  ingress {
    protocol    = "tcp"
    from_port   = 22
    to_port     = 22
    cidr_blocks = ["0.0.0.0/0"]
  }
}

module "inherited" {
  source    = "./group"
  providers = { aws = aws.eu }
}
