# The pipeline: a task definition that every step runs in, and, where Shipway rendered one, the state machine that starts a
# task a step. The machine itself is `shipway render stepfunctions`; here are its blanks, its role and its schedule.

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

locals {
  own    = "${data.aws_partition.current.partition}:%s:${var.region}:${data.aws_caller_identity.current.account_id}"
  events = "arn:${format(local.own, "events")}:rule"
  states = "arn:${format(local.own, "states")}"
  tasks  = "arn:${format(local.own, "ecs")}:task/${var.cluster_name}/*"

  machines = { for name, file in { "" = var.machine_file, "-scheduled" = var.scheduled_file } : "${var.name}${name}" => file if file != null }

  jobs = { for name, arn in var.jobs.definition_arns : "job_${replace(name, "-", "_")}" => arn }

  blanks = merge(local.jobs, {
    job_queue       = var.jobs.queue_arn
    cluster         = var.cluster_arn
    task_definition = aws_ecs_task_definition.step.arn
    subnet_a        = var.subnets[0]
    subnet_b        = var.subnets[1]
    security_group  = var.tasks_security_group
    state_machine   = "${local.states}:stateMachine:${var.name}"
  })
}

module "container" {
  source = "../container"

  name        = "shipway"
  image       = var.image
  command     = ["--help"] # each task is started with words of its own
  environ     = var.environ
  secret_arns = var.secret_arns
  log_group   = var.log_group
  region      = var.region
}

resource "aws_ecs_task_definition" "step" {
  family                   = "${var.name}-step"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = 512
  memory                   = 1024
  execution_role_arn       = var.execution_role_arn
  task_role_arn            = var.task_role_arn
  container_definitions    = module.container.definitions
  skip_destroy             = true

  dynamic "volume" {
    for_each = module.container.volumes

    content {
      name = volume.value
    }
  }
}

resource "aws_cloudwatch_log_group" "machine" {
  for_each = local.machines

  name              = "/shipway/${each.key}-machine"
  retention_in_days = 365
  kms_key_id        = var.key_arn
}

resource "aws_sfn_state_machine" "this" {
  for_each = local.machines

  name       = each.key
  role_arn   = aws_iam_role.machine.arn
  definition = templatefile(each.value, local.blanks)

  logging_configuration {
    log_destination        = "${aws_cloudwatch_log_group.machine[each.key].arn}:*"
    level                  = "ALL"
    include_execution_data = true
  }

  tracing_configuration {
    enabled = true
  }

  depends_on = [aws_iam_role_policy.machine, aws_iam_role_policy.jobs]
}

resource "aws_scheduler_schedule" "this" {
  count = var.schedule == null ? 0 : 1

  name                         = var.name
  schedule_expression          = var.schedule.expression
  schedule_expression_timezone = var.schedule.timezone
  kms_key_arn                  = var.key_arn

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = aws_sfn_state_machine.this["${var.name}-scheduled"].arn
    role_arn = aws_iam_role.schedule[0].arn
    input    = "{}"
  }
}

resource "aws_cloudwatch_metric_alarm" "failed" {
  for_each = aws_sfn_state_machine.this

  alarm_name          = "${each.key}-run-failed"
  alarm_description   = "A run of ${each.key} failed; to take it up again, start the machine with the same plan"
  namespace           = "AWS/States"
  metric_name         = "ExecutionsFailed"
  dimensions          = { StateMachineArn = each.value.arn }
  statistic           = "Sum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  period              = 300
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = [var.alarm_topic]
}
