# Steps that want a GPU, which Fargate has not: AWS Batch starts a machine for them, and none stands when nothing waits.
#   aws batch submit-job --job-queue NAME --job-definition NAME-STEP --job-name STEP --parameters plan=sha256:...

data "aws_partition" "current" {}

resource "aws_batch_compute_environment" "this" {
  name  = var.name
  type  = "MANAGED"
  state = "ENABLED"

  compute_resources {
    type                = "EC2"
    allocation_strategy = "BEST_FIT_PROGRESSIVE"
    instance_role       = aws_iam_instance_profile.machine.arn
    instance_type       = var.instance_types
    min_vcpus           = 0
    max_vcpus           = var.max_vcpus
    security_group_ids  = [var.tasks_security_group]
    subnets             = var.subnets

    ec2_configuration {
      image_type = "ECS_AL2023_NVIDIA"
    }

    launch_template {
      launch_template_id = aws_launch_template.this.id
      version            = aws_launch_template.this.latest_version
    }
  }
}

resource "aws_launch_template" "this" {
  name = "${var.name}-gpu"

  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }

  block_device_mappings {
    device_name = "/dev/xvda"

    ebs {
      encrypted   = true
      volume_type = "gp3"
      volume_size = var.disk_gib
    }
  }
}

resource "aws_batch_job_queue" "this" {
  name     = var.name
  state    = "ENABLED"
  priority = 1

  compute_environment_order {
    order               = 1
    compute_environment = aws_batch_compute_environment.this.arn
  }
}

resource "aws_batch_job_definition" "step" {
  for_each = var.steps

  name                       = "${var.name}-${each.key}"
  type                       = "container"
  platform_capabilities      = ["EC2"]
  propagate_tags             = true
  deregister_on_new_revision = false # a revision that ran can be run again

  container_properties = jsonencode({
    image                  = var.image
    command                = concat(["step", "run"], each.value.steps, ["--plan", "Ref::plan"])
    user                   = "10001:10001"
    readonlyRootFilesystem = true
    privileged             = false
    executionRoleArn       = var.execution_role_arn
    jobRoleArn             = var.task_role_arn

    resourceRequirements = [
      { type = "GPU", value = tostring(each.value.gpu) },
      { type = "VCPU", value = tostring(each.value.vcpu) },
      { type = "MEMORY", value = tostring(each.value.memory) },
    ]

    environment = [for name, value in merge(var.environ, { AWS_REGION = var.region }) : { name = name, value = value }]
    secrets     = [for name, arn in var.secret_arns : { name = name, valueFrom = arn }]
    volumes     = [{ name = "cache", host = {} }, { name = "store", host = {} }, { name = "tmp", host = {} }]

    mountPoints = [
      { sourceVolume = "cache", containerPath = "/var/cache/shipway", readOnly = false },
      { sourceVolume = "store", containerPath = "/app/.shipway", readOnly = false },
      { sourceVolume = "tmp", containerPath = "/tmp", readOnly = false },
    ]

    logConfiguration = {
      logDriver = "awslogs"
      options   = { "awslogs-group" = var.log_group, "awslogs-region" = var.region, "awslogs-stream-prefix" = each.key }
    }
  })

  retry_strategy {
    attempts = each.value.retries + 1
  }

  dynamic "timeout" {
    for_each = each.value.timeout[*]

    content {
      attempt_duration_seconds = timeout.value
    }
  }
}

resource "aws_iam_role" "machine" {
  name = "${var.name}-gpu-machine"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "ec2.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })
}

resource "aws_iam_role_policy_attachment" "machine" {
  role       = aws_iam_role.machine.name
  policy_arn = "arn:${data.aws_partition.current.partition}:iam::aws:policy/service-role/AmazonEC2ContainerServiceforEC2Role"
}

resource "aws_iam_instance_profile" "machine" {
  name = "${var.name}-gpu-machine"
  role = aws_iam_role.machine.name
}
