variable "name" {
  description = "The project, as AWS takes it"
  type        = string
}

variable "steps" {
  description = "Steps that want a GPU, or groups with one, by their name as AWS takes it; memory in MiB, timeout in seconds for one attempt"
  type = map(object({
    steps   = list(string)
    gpu     = number
    vcpu    = number
    memory  = number
    retries = number
    timeout = number
  }))
}

variable "instance_types" {
  description = "Machines with a GPU"
  type        = list(string)
  default     = ["g4dn.xlarge", "g4dn.2xlarge", "g5.xlarge", "g5.2xlarge"]
}

variable "max_vcpus" {
  description = "How many cores may stand at once"
  type        = number
  default     = 16
}

variable "disk_gib" {
  description = "Disk of a machine"
  type        = number
  default     = 200
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

variable "subnets" {
  description = "Private subnets"
  type        = list(string)
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
