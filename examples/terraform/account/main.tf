# sgward in one account and region: the template of a release as a stack of CloudFormation.
# Upload sgward.yaml and the zips to the bucket first: docs/ORGANISATION.md. With template_body = file("sgward-body.yaml") in place of
# template_url the zips alone are in the bucket.

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.84"
    }
  }
}

variable "code_bucket_prefix" {
  description = "The buckets with the zips, without -REGION."
  type        = string
}

variable "release" {
  description = "The folder of the release in the buckets, such as v1.2.3/."
  type        = string
}

variable "mode" {
  description = "observe alerts, enforce closes."
  type        = string
  default     = "observe"
}

variable "alert_email" {
  type = string
}

variable "region" {
  description = "The region of the stack, whose bucket has the template."
  type        = string
}

provider "aws" {
  region = var.region
}

resource "aws_cloudformation_stack" "sgward" {
  name         = "sgward"
  template_url = "https://${var.code_bucket_prefix}-${var.region}.s3.${var.region}.amazonaws.com/${var.release}sgward.yaml"
  capabilities = ["CAPABILITY_IAM"]

  parameters = {
    CodeBucketPrefix = var.code_bucket_prefix
    CodeKeyPrefix    = var.release
    Mode             = var.mode
    AlertEmail       = var.alert_email
  }
}

output "alerts" {
  value = aws_cloudformation_stack.sgward.outputs["Alerts"]
}
