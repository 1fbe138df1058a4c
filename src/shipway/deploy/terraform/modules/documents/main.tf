# Indexes that follow their documents: S3 says into a queue what has changed, and a function looks what there is. A message
# that fails five times is kept in a second queue, and somebody hears of it.

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

locals {
  buckets = toset(keys(var.documents))
  arns    = { for bucket in local.buckets : bucket => "arn:${data.aws_partition.current.partition}:s3:::${bucket}" }
  timeout = 900 # the most that Lambda gives
}

module "function" {
  source = "../function"

  name           = var.name
  handler        = "sync"
  image          = var.image
  environ        = var.environ
  secret_arns    = var.secret_arns
  objects_policy = var.objects_policy
  vpc            = var.vpc
  subnets        = var.subnets
  key_arn        = var.key_arn
  alarm_topic    = var.alarm_topic
  timeout        = local.timeout
  at_once        = var.at_once
}

resource "aws_sqs_queue" "this" {
  name                       = var.name
  sqs_managed_sse_enabled    = true               # S3 writes to it without a right to a key of ours
  visibility_timeout_seconds = local.timeout + 60 # what failed comes again after that
  message_retention_seconds  = 4 * 24 * 3600
  receive_wait_time_seconds  = 20

  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead.arn
    maxReceiveCount     = 5
  })
}

resource "aws_sqs_queue" "dead" {
  name                      = "${var.name}-dead"
  sqs_managed_sse_enabled   = true
  message_retention_seconds = 14 * 24 * 3600
}

resource "aws_sqs_queue_redrive_allow_policy" "dead" {
  queue_url = aws_sqs_queue.dead.id

  redrive_allow_policy = jsonencode({
    redrivePermission = "byQueue"
    sourceQueueArns   = [aws_sqs_queue.this.arn]
  })
}

resource "aws_sqs_queue_policy" "this" {
  queue_url = aws_sqs_queue.this.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "S3SaysWhatChanged"
      Effect    = "Allow"
      Principal = { Service = "s3.amazonaws.com" }
      Action    = ["sqs:SendMessage"]
      Resource  = [aws_sqs_queue.this.arn]
      Condition = {
        ArnEquals    = { "aws:SourceArn" = values(local.arns) }
        StringEquals = { "aws:SourceAccount" = data.aws_caller_identity.current.account_id }
      }
    }]
  })
}

# a bucket has one set of notifications, and this is all of it: where something else says them, set `notify` to false
resource "aws_s3_bucket_notification" "this" {
  for_each = var.notify ? local.buckets : toset([])

  bucket = each.value

  dynamic "queue" {
    for_each = toset(var.documents[each.value])

    content {
      queue_arn     = aws_sqs_queue.this.arn
      events        = ["s3:ObjectCreated:*", "s3:ObjectRemoved:*", "s3:LifecycleExpiration:*"]
      filter_prefix = queue.value
    }
  }

  depends_on = [aws_sqs_queue_policy.this]
}

# many messages are one look at the bucket: they are gathered for a while
resource "aws_lambda_event_source_mapping" "this" {
  event_source_arn                   = aws_sqs_queue.this.arn
  function_name                      = module.function.arn
  batch_size                         = 1000
  maximum_batching_window_in_seconds = var.gather_seconds
  function_response_types            = ["ReportBatchItemFailures"]

  scaling_config {
    maximum_concurrency = var.at_once
  }

  depends_on = [aws_iam_role_policy.this]
}

resource "aws_iam_role_policy" "this" {
  name = "documents"
  role = module.function.role

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [
        {
          Sid      = "Messages"
          Effect   = "Allow"
          Action   = ["sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"]
          Resource = [aws_sqs_queue.this.arn]
        },
        {
          Sid      = "ReadDocuments"
          Effect   = "Allow"
          Action   = ["s3:GetObject"]
          Resource = flatten([for bucket, prefixes in var.documents : [for prefix in prefixes : "${local.arns[bucket]}/${prefix}*"]])
        },
      ],
      [for bucket, prefixes in var.documents : {
        Effect   = "Allow"
        Action   = ["s3:ListBucket"]
        Resource = [local.arns[bucket]]
        # IfExists: a question for one object has no prefix, and without this one S3 says "forbidden" of what is missing
        Condition = { StringLikeIfExists = { "s3:prefix" = [for prefix in prefixes : "${prefix}*"] } }
      }],
      length(var.documents_key_arns) == 0 ? [] : [{
        Sid      = "TheirKeys"
        Effect   = "Allow"
        Action   = ["kms:Decrypt"]
        Resource = var.documents_key_arns
      }],
    )
  })
}

resource "aws_cloudwatch_metric_alarm" "dead" {
  alarm_name          = "${var.name}-dead"
  alarm_description   = "Messages about documents have failed five times: look into the log of the function, then send them again"
  namespace           = "AWS/SQS"
  metric_name         = "ApproximateNumberOfMessagesVisible"
  dimensions          = { QueueName = aws_sqs_queue.dead.name }
  statistic           = "Maximum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  period              = 300
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = [var.alarm_topic]
  ok_actions          = [var.alarm_topic]
}

resource "aws_cloudwatch_metric_alarm" "late" {
  alarm_name          = "${var.name}-late"
  alarm_description   = "A change of a document waits for longer than ${var.late_minutes} minutes to be found by its index"
  namespace           = "AWS/SQS"
  metric_name         = "ApproximateAgeOfOldestMessage"
  dimensions          = { QueueName = aws_sqs_queue.this.name }
  statistic           = "Maximum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = var.late_minutes * 60
  period              = 300
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = [var.alarm_topic]
  ok_actions          = [var.alarm_topic]
}
