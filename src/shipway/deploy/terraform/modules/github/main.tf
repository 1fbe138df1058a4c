# A role for GitHub Actions without a key that somebody keeps: GitHub says which repository and which environment asks, and
# nobody else is let in. It is what SHIPWAY_ROLE_ARN names in the rendered workflow.

resource "aws_iam_openid_connect_provider" "github" {
  url            = "https://token.actions.githubusercontent.com"
  client_id_list = ["sts.amazonaws.com"]
}

resource "aws_iam_role" "this" {
  name                 = "${var.name}-github"
  max_session_duration = 3600

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Federated = aws_iam_openid_connect_provider.github.arn }
      Action    = "sts:AssumeRoleWithWebIdentity"
      Condition = {
        StringEquals = {
          "token.actions.githubusercontent.com:aud" = "sts.amazonaws.com"
          "token.actions.githubusercontent.com:sub" = [for name in var.environments : "repo:${var.repository}:environment:${name}"]
        }
      }
    }]
  })
}

resource "aws_iam_role_policy" "objects" {
  name   = "objects"
  role   = aws_iam_role.this.id
  policy = var.objects_policy
}

resource "aws_iam_role_policy" "image" {
  name = "image"
  role = aws_iam_role.this.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "SignInToTheRegistry" # AWS has no narrower resource for it
        Effect   = "Allow"
        Action   = ["ecr:GetAuthorizationToken"]
        Resource = "*"
      },
      {
        Sid    = "PushAndPull"
        Effect = "Allow"
        Action = [
          "ecr:BatchCheckLayerAvailability",
          "ecr:BatchGetImage",
          "ecr:CompleteLayerUpload",
          "ecr:GetDownloadUrlForLayer",
          "ecr:InitiateLayerUpload",
          "ecr:PutImage",
          "ecr:UploadLayerPart",
        ]
        Resource = [var.repository_arn]
      },
    ]
  })
}

# `shipway run --on stepfunctions` from the workflow: start that machine, follow and stop its executions, nothing else
resource "aws_iam_role_policy" "machines" {
  count = length(var.machine_arns) > 0 ? 1 : 0
  name  = "run-the-machines"
  role  = aws_iam_role.this.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "StartThem"
        Effect   = "Allow"
        Action   = ["states:StartExecution"]
        Resource = values(var.machine_arns)
      },
      {
        Sid    = "FollowAndStopTheirRuns"
        Effect = "Allow"
        Action = [
          "states:DescribeExecution",
          "states:DescribeStateMachineForExecution",
          "states:GetExecutionHistory",
          "states:StopExecution",
        ]
        Resource = [for arn in values(var.machine_arns) : "${replace(arn, ":stateMachine:", ":execution:")}:*"]
      },
    ]
  })
}
