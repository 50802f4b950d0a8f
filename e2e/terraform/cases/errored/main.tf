provider "aws" {
  region = "eu-central-1"
}

resource "aws_security_group" "web" {
  name = "web"
  ingress {
    protocol    = "tcp"
    from_port   = 22
    to_port     = 22
    cidr_blocks = ["0.0.0.0/0"]
  }
  # Planning ends here.
  lifecycle {
    postcondition {
      condition     = self.name == "another"
      error_message = "Not another."
    }
  }
}
