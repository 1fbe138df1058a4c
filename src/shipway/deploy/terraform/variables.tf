# What Shipway knows is in shipway.auto.tfvars.json; what it cannot know is yours, in terraform.tfvars.

variable "vpc" {
  description = "Network that everything runs in"
  type        = string
}

variable "private_subnets" {
  description = "Private subnets in two zones at least, with a way out to the registry and to AWS"
  type        = list(string)

  validation {
    condition     = length(var.private_subnets) >= 2
    error_message = "Two subnets at least, in two zones."
  }
}

variable "clients" {
  description = "Networks that may ask the applications, as in 10.0.0.0/16"
  type        = list(string)
}

variable "certificate_arn" {
  description = "Certificate for *.DOMAIN"
  type        = string
}

variable "domain" {
  description = "Applications answer below it, as in delay-prod.DOMAIN"
  type        = string
}

variable "alarm_mail" {
  description = "Addresses that hear alarms"
  type        = list(string)
  default     = []
}

variable "gate_function" {
  description = "Whether ECS asks Shipway's gate, as a function, before a new release starts and before it gets traffic"
  type        = bool
  default     = false
}

variable "gate" {
  description = "A function of your own that ECS asks instead; null asks nobody"
  type        = object({ function_arn = string, role_arn = string })
  default     = null
}

variable "github_repository" {
  description = "OWNER/NAME of the repository whose workflow releases; null makes no role"
  type        = string
  default     = null
}

variable "answer_functions" {
  description = "Applications among `services` that answer prompts from a function instead of a container, as in [\"assistant-prod\"]"
  type        = set(string)
  default     = []
}

variable "documents_notify" {
  description = "Whether the notifications of the buckets of `documents` are made here; a bucket has one set of them, so false where something else makes it"
  type        = bool
  default     = true
}

variable "documents_key_arns" {
  description = "Keys of your own by which the buckets of `documents` are encrypted"
  type        = list(string)
  default     = []
}

# from here on what Shipway writes

variable "project" {
  description = "The project"
  type        = string
}

variable "name" {
  description = "The project, as AWS takes it"
  type        = string
}

variable "region" {
  description = "targets.aws.region"
  type        = string
}

variable "account" {
  description = "targets.aws.account; null takes any"
  type        = string
  default     = null
}

variable "image" {
  description = "What runs there"
  type        = string

  validation {
    condition     = can(regex("@sha256:[0-9a-f]{64}$", var.image)) && !can(regex("@sha256:0{64}$", var.image))
    error_message = "An image by its digest: shipway render terraform --image REPOSITORY@sha256:..."
  }
}

variable "bucket" {
  description = "The bucket of targets.objects"
  type        = string
}

variable "prefix" {
  description = "Below what in that bucket; empty, or ends with a slash"
  type        = string
}

variable "secrets" {
  description = "Names of the variables that are secrets"
  type        = list(string)
}

variable "environ" {
  description = "Variables of every container"
  type        = map(string)
}

variable "services" {
  description = "Applications in their environments"
  type = map(object({
    deployment = string
    kind       = string
    release    = string
    command    = list(string)
    workers    = number
    cpu        = number
    memory     = number
    start      = number
    secrets    = list(string)
  }))
}

variable "pipeline" {
  description = "The state machines by their files, and when they run by themselves; null without a pipeline"
  type = object({
    machine   = optional(string)
    scheduled = optional(string)
    schedule  = optional(object({ expression = string, timezone = string }))
  })
  default = null
}

variable "gpu_steps" {
  description = "Steps that want a GPU"
  type = map(object({
    steps   = list(string)
    gpu     = number
    vcpu    = number
    memory  = number
    retries = number
    timeout = optional(number)
  }))
  default = {}
}

variable "documents" {
  description = "Buckets with documents of indexes, and below what in them"
  type        = map(list(string))
  default     = {}
}

variable "github_environments" {
  description = "Environments of the rendered workflow"
  type        = list(string)
  default     = []
}
