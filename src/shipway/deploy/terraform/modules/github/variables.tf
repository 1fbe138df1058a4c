variable "name" {
  description = "The project, as AWS takes it"
  type        = string
}

variable "repository" {
  description = "OWNER/NAME on GitHub"
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9-]+/[A-Za-z0-9._-]+$", var.repository))
    error_message = "One repository, OWNER/NAME; a pattern would let others in."
  }
}

variable "environments" {
  description = "Environments of the workflow's jobs"
  type        = list(string)
}

variable "objects_policy" {
  description = "What working on the team's objects needs"
  type        = string
}

variable "repository_arn" {
  description = "Where the image lies"
  type        = string
}

variable "machine_arns" {
  description = "State machines that the workflow may run, by name"
  type        = map(string)
  default     = {}
}
