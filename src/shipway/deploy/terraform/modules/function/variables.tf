variable "name" {
  description = "The function, as AWS takes it"
  type        = string

  validation {
    condition     = length(var.name) <= 64
    error_message = "A function's name has 64 characters at most."
  }
}

variable "handler" {
  description = "What it is of shipway.cli.functions"
  type        = string
}

variable "image" {
  description = "Repository and digest"
  type        = string
}

variable "architecture" {
  description = "What the image was built for: x86_64 or arm64"
  type        = string
  default     = "x86_64"
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

variable "alarm_topic" {
  description = "Where alarms go"
  type        = string
}

variable "timeout" {
  description = "Seconds until AWS ends a call; 900 at most"
  type        = number
}

variable "at_once" {
  description = "How many calls may run at the same time"
  type        = number
}

variable "memory" {
  description = "MiB; Lambda gives cores by it, one for each 1769"
  type        = number
  default     = 3538
}

variable "disk" {
  description = "MiB of /tmp: copies of objects take half of it at most, the graph of the embedder 90"
  type        = number
  default     = 4096
}

variable "log_days" {
  description = "How long its log is kept"
  type        = number
  default     = 365
}
