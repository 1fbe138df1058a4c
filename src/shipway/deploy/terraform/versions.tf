# Yours to change: Shipway writes files that end in .tf once, and only shipway.auto.tfvars.json again.

terraform {
  required_version = ">= 1.9"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 6.25"
    }
  }

  # state belongs where the team shares it, encrypted and versioned; it holds no secret, and still everybody's names
  # backend "s3" {}
}

provider "aws" {
  region              = var.region
  allowed_account_ids = var.account[*]

  default_tags {
    tags = { project = var.project, managed-by = "terraform" }
  }
}
