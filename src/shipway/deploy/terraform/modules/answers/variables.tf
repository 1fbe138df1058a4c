variable "name" {
  description = "The application in its environment, as AWS takes it"
  type        = string

  validation {
    condition     = length(var.name) <= 26
    error_message = "A target group's name, which is this with -calls, has 32 characters at most."
  }
}

variable "service" {
  description = "What Shipway knows of it"
  type = object({
    deployment = string
    kind       = string
    release    = string
    secrets    = list(string)
  })

  validation {
    condition     = var.service.kind == "gateway"
    error_message = "What answers prompts can be a function; a predictor is a container."
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

variable "objects_policy" {
  description = "What working on the team's objects needs"
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

variable "key_arn" {
  description = "The key of the project"
  type        = string
}

variable "listener_arn" {
  description = "Listener of the load balancer"
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

variable "timeout" {
  description = "Seconds until AWS ends a call; more than the gateway's own timeout"
  type        = number
  default     = 120
}

variable "at_once" {
  description = "How many calls may be answered at the same time"
  type        = number
  default     = 20
}
