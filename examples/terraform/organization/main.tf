# sgward in every account of some organisational units, and in those that join them: a
# StackSet with service-managed permissions. Run it in the management account, or in the
# account of a delegated administrator. docs/ORGANISATION.md says what comes first.

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

variable "home_region" {
  description = "The region of the StackSet, whose bucket has the template."
  type        = string
}

variable "release" {
  description = "The folder of the release in the buckets, such as v1.2.3/."
  type        = string
}

variable "organizational_units" {
  description = "Ids of units (ou-...) or of the root (r-...), with all that is below."
  type        = set(string)
}

variable "regions" {
  type = set(string)
}

variable "alert_account" {
  description = "The account with the topics that alerts.yaml has made in each region."
  type        = string
}

variable "mode" {
  description = "observe alerts, enforce closes."
  type        = string
  default     = "observe"
}

variable "call_as" {
  description = "SELF in the management account."
  type        = string
  default     = "DELEGATED_ADMIN"
}

provider "aws" {
  region = var.home_region
}

resource "aws_cloudformation_stack_set" "sgward" {
  name             = "sgward"
  description      = "Closes security group openings that the policy forbids"
  permission_model = "SERVICE_MANAGED"
  call_as          = var.call_as
  capabilities     = ["CAPABILITY_IAM"]
  template_url     = "https://${var.code_bucket_prefix}-${var.home_region}.s3.${var.home_region}.amazonaws.com/${var.release}sgward.yaml"

  # The provider sees a difference in each parameter that is not named here.
  parameters = {
    CodeBucketPrefix        = var.code_bucket_prefix
    CodeKeyPrefix           = var.release
    Architecture            = "arm64"
    Mode                    = var.mode
    PolicyLayerArn          = ""
    MaxRevokes              = "20"
    SweepSchedule           = "rate(1 hour)"
    Prevention              = "off"
    AlertEmail              = ""
    AlertTopicArn           = ""
    AlertTopicAccountId     = var.alert_account
    AlertTopicName          = "sgward-alerts"
    AlarmTopicArn           = ""
    AlarmTopicName          = "sgward-alarms"
    Alarms                  = "essential"
    Metrics                 = "all"
    RunbookUrl              = "docs/RUNBOOK.md"
    SlackWebhookSecretArn   = ""
    SlackWorkspaceId        = ""
    SlackChannelId          = ""
    TeamsTeamId             = ""
    TeamsTenantId           = ""
    TeamsChannelId          = ""
    ChatAlsoTopicArns       = ""
    EventBusArn             = ""
    SecurityHub             = "off"
    AccountName             = ""
    LogRetentionDays        = "365"
    KmsKeyArn               = ""
    PermissionsBoundary     = ""
    PermissionsBoundaryName = ""
    RolePath                = "/sgward/"
    VpcSubnetIds            = ""
    VpcSecurityGroupIds     = ""
  }

  auto_deployment {
    enabled                          = true
    retain_stacks_on_account_removal = false
  }

  managed_execution {
    active = true
  }

  operation_preferences {
    failure_tolerance_percentage = 5
    max_concurrent_percentage    = 10
    region_concurrency_type      = "PARALLEL"
  }

  lifecycle {
    ignore_changes = [administration_role_arn] # CloudFormation fills it in
  }
}

resource "aws_cloudformation_stack_instances" "sgward" {
  stack_set_name = aws_cloudformation_stack_set.sgward.name
  call_as        = var.call_as
  regions        = var.regions

  deployment_targets {
    organizational_unit_ids = var.organizational_units
  }

  operation_preferences {
    concurrency_mode             = "SOFT_FAILURE_TOLERANCE" # else no more at a time than may still fail
    failure_tolerance_percentage = 5
    max_concurrent_percentage    = 10
    region_concurrency_type      = "PARALLEL"
  }
}
