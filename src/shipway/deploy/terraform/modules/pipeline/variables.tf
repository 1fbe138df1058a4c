variable "name" {
  description = "The project, as AWS takes it"
  type        = string
}

variable "image" {
  description = "Repository and digest"
  type        = string
}

variable "machine_file" {
  description = "PROJECT.asl.json of `shipway render stepfunctions`; null when there is none"
  type        = string
  default     = null
}

variable "scheduled_file" {
  description = "PROJECT-scheduled.asl.json; null without a schedule"
  type        = string
  default     = null
}

variable "schedule" {
  description = "When the pipeline runs by itself, as EventBridge Scheduler says it"
  type        = object({ expression = string, timezone = string })
  default     = null
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

variable "subnets" {
  description = "Private subnets, two at least"
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

variable "jobs" {
  description = "Where jobs of steps with a GPU are submitted, and those jobs by the step's name as AWS takes it"
  type        = object({ queue_arn = string, definition_arns = map(string) })
}

variable "bucket_arn" {
  description = "Where the team's objects lie"
  type        = string
}

variable "prefix" {
  description = "Below what in that bucket; empty, or ends with a slash"
  type        = string
}

variable "key_arn" {
  description = "The key of the project"
  type        = string
}

variable "alarm_topic" {
  description = "Where alarms go"
  type        = string
}
