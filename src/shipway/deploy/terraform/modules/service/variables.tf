variable "name" {
  description = "The application in its environment, as AWS takes it"
  type        = string

  validation {
    condition     = length(var.name) <= 26
    error_message = "A target group's name, which is this with -green, has 32 characters at most."
  }
}

variable "service" {
  description = "What Shipway knows of it; cpu in units, 1024 are one core, memory in MiB, start in seconds"
  type = object({
    deployment = string
    kind       = string
    release    = string
    command    = list(string)
    workers    = number
    cpu        = number
    memory     = number
    start      = number
    secrets    = list(string)
  })

  validation {
    condition     = can(regex("^sha256:[0-9a-f]{64}$", var.service.release))
    error_message = "A release is named by its digest."
  }
}

variable "image" {
  description = "Repository and digest"
  type        = string
}

variable "environ" {
  description = "Variables that are no secret"
  type        = map(string)
}

variable "secret_arns" {
  description = "Name of the variable to the secret"
  type        = map(string)
}

variable "region" {
  description = "Region"
  type        = string
}

variable "vpc" {
  description = "Where it runs"
  type        = string
}

variable "subnets" {
  description = "Private subnets"
  type        = list(string)
}

variable "cluster_arn" {
  description = "The cluster"
  type        = string
}

variable "cluster_name" {
  description = "The cluster, by name"
  type        = string
}

variable "tasks_security_group" {
  description = "What tasks are in"
  type        = string
}

variable "execution_role_arn" {
  description = "Starts containers"
  type        = string
}

variable "task_role_arn" {
  description = "What runs in them is"
  type        = string
}

variable "log_group" {
  description = "Where tasks log"
  type        = string
}

variable "listener_arn" {
  description = "Listener of the load balancer"
  type        = string
}

variable "balancer_dimension" {
  description = "What CloudWatch calls the load balancer"
  type        = string
}

variable "host" {
  description = "Host name of the application"
  type        = string
}

variable "alarm_topic" {
  description = "Where alarms go"
  type        = string
}

variable "gate" {
  description = "A function that is asked before a new release starts and before it gets traffic; null asks nobody"
  type        = object({ function_arn = string, role_arn = string })
  default     = null
}

variable "canary_percent" {
  description = "Part of the traffic that a new release gets first"
  type        = number
  default     = 5
}

variable "canary_minutes" {
  description = "How long it has that part"
  type        = number
  default     = 15
}

variable "bake_minutes" {
  description = "How long the old release stays beside the new one after that"
  type        = number
  default     = 15
}

variable "failed_a_minute" {
  description = "Answers that may be 5xx in a minute"
  type        = number
  default     = 5
}

variable "slow_seconds" {
  description = "What 99 of 100 answers have to be faster than"
  type        = number
  default     = 1
}
