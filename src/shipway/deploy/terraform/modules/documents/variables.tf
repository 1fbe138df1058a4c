variable "name" {
  description = "The function and its queue, as AWS takes them"
  type        = string
}

variable "documents" {
  description = "Buckets with documents of indexes, and below what in them: empty, or ends with a slash; none is below another"
  type        = map(list(string))
}

variable "documents_key_arns" {
  description = "Keys by which those buckets are encrypted, when they have keys of their own"
  type        = list(string)
}

variable "notify" {
  description = "Whether the notifications of these buckets are made here"
  type        = bool
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

variable "alarm_topic" {
  description = "Where alarms go"
  type        = string
}

variable "at_once" {
  description = "How many functions may work at the same time: indexes are brought up to date side by side, one by one function"
  type        = number
  default     = 2

  validation {
    condition     = var.at_once >= 2
    error_message = "Lambda takes 2 at least."
  }
}

variable "gather_seconds" {
  description = "How long changes are gathered before the bucket is looked at"
  type        = number
  default     = 30
}

variable "late_minutes" {
  description = "How long a change may wait before somebody hears of it"
  type        = number
  default     = 60
}
