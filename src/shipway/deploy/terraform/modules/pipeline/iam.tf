# What the machine may do: start and stop tasks of this one task definition in this one cluster, and read what steps said.

resource "aws_iam_role" "machine" {
  name = "${var.name}-machine"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "states.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = { StringEquals = { "aws:SourceAccount" = data.aws_caller_identity.current.account_id } }
    }]
  })
}

resource "aws_iam_role_policy" "machine" {
  name = "run-tasks"
  role = aws_iam_role.machine.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "StartTasks"
        Effect    = "Allow"
        Action    = ["ecs:RunTask"]
        Resource  = ["${aws_ecs_task_definition.step.arn_without_revision}:*"]
        Condition = { ArnEquals = { "ecs:cluster" = var.cluster_arn } }
      },
      {
        Sid       = "FollowAndStopThem"
        Effect    = "Allow"
        Action    = ["ecs:DescribeTasks", "ecs:StopTask"]
        Resource  = [local.tasks]
        Condition = { ArnEquals = { "ecs:cluster" = var.cluster_arn } }
      },
      {
        Sid       = "GiveThemTheirRoles"
        Effect    = "Allow"
        Action    = ["iam:PassRole"]
        Resource  = [var.execution_role_arn, var.task_role_arn]
        Condition = { StringEquals = { "iam:PassedToService" = "ecs-tasks.amazonaws.com" } }
      },
      {
        Sid      = "HearThatTheyEnded"
        Effect   = "Allow"
        Action   = ["events:DescribeRule", "events:PutRule", "events:PutTargets"]
        Resource = ["${local.events}/StepFunctionsGetEventsForECSTaskRule", "${local.events}/StepFunctionsGetEventsForStepFunctionsExecutionRule"]
      },
      {
        Sid      = "ReadWhatStepsSaid"
        Effect   = "Allow"
        Action   = ["s3:GetObject"]
        Resource = ["${var.bucket_arn}/${var.prefix}control/*"]
      },
      {
        Sid      = "ItsKey"
        Effect   = "Allow"
        Action   = ["kms:Decrypt"]
        Resource = [var.key_arn]
      },
      {
        Sid      = "RunThePlannedMachine"
        Effect   = "Allow"
        Action   = ["states:StartExecution"]
        Resource = ["${local.states}:stateMachine:${var.name}"]
      },
      {
        Sid      = "FollowThatRun"
        Effect   = "Allow"
        Action   = ["states:DescribeExecution", "states:StopExecution"]
        Resource = ["${local.states}:execution:${var.name}:*"]
      },
      {
        Sid    = "LogsAndTraces" # AWS has no narrower resource for them
        Effect = "Allow"
        Action = [
          "logs:CreateLogDelivery",
          "logs:DeleteLogDelivery",
          "logs:DescribeLogGroups",
          "logs:DescribeResourcePolicies",
          "logs:GetLogDelivery",
          "logs:ListLogDeliveries",
          "logs:PutResourcePolicy",
          "logs:UpdateLogDelivery",
          "xray:GetSamplingRules",
          "xray:GetSamplingTargets",
          "xray:PutTelemetryRecords",
          "xray:PutTraceSegments",
        ]
        Resource = "*"
      },
    ]
  })
}

resource "aws_iam_role_policy" "jobs" {
  count = length(var.jobs.definition_arns) > 0 ? 1 : 0
  name  = "run-jobs"
  role  = aws_iam_role.machine.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "SubmitJobs"
        Effect   = "Allow"
        Action   = ["batch:SubmitJob"]
        Resource = concat([var.jobs.queue_arn], [for arn in values(var.jobs.definition_arns) : replace(arn, "/:[0-9]+$/", ":*")])
      },
      {
        Sid      = "StopThem"
        Effect   = "Allow"
        Action   = ["batch:TerminateJob"]
        Resource = ["arn:${format(local.own, "batch")}:job/*"]
      },
      {
        Sid      = "FollowThem" # AWS has no narrower resource for it
        Effect   = "Allow"
        Action   = ["batch:DescribeJobs"]
        Resource = "*"
      },
      {
        Sid      = "HearThatTheyEnded"
        Effect   = "Allow"
        Action   = ["events:DescribeRule", "events:PutRule", "events:PutTargets"]
        Resource = ["${local.events}/StepFunctionsGetEventsForBatchJobsRule"]
      },
    ]
  })
}

resource "aws_iam_role" "schedule" {
  count = var.schedule == null ? 0 : 1
  name  = "${var.name}-schedule"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "scheduler.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = { StringEquals = { "aws:SourceAccount" = data.aws_caller_identity.current.account_id } }
    }]
  })
}

resource "aws_iam_role_policy" "schedule" {
  count = var.schedule == null ? 0 : 1
  name  = "start-the-machine"
  role  = aws_iam_role.schedule[0].id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect   = "Allow"
        Action   = ["states:StartExecution"]
        Resource = [aws_sfn_state_machine.this["${var.name}-scheduled"].arn]
      },
      {
        Effect   = "Allow"
        Action   = ["kms:Decrypt"]
        Resource = [var.key_arn]
      },
    ]
  })
}
