# A container as every task of the project has it: user 10001, no capability, a root file system that nobody writes to,
# secrets by reference. No resource of its own.

locals {
  cache = "/var/cache/shipway"
  store = "/app/.shipway" # marks, locks and logs of this task; what lasts is in the catalogue and the bucket

  definition = {
    name                   = var.name
    image                  = var.image
    command                = var.command
    essential              = true
    user                   = "10001:10001"
    readonlyRootFilesystem = true
    linuxParameters        = { initProcessEnabled = true, capabilities = { drop = ["ALL"], add = [] } }

    portMappings = [for port in var.port[*] : { name = "http", containerPort = port, protocol = "tcp" }]
    stopTimeout  = 90 # a gateway finishes what it has accepted within 65 seconds

    environment = [for name, value in merge(var.environ, { SHIPWAY_CACHE = local.cache, AWS_REGION = var.region }) : { name = name, value = value }]
    secrets     = [for name, arn in var.secret_arns : { name = name, valueFrom = arn }]

    mountPoints = [
      { sourceVolume = "cache", containerPath = local.cache, readOnly = false },
      { sourceVolume = "store", containerPath = local.store, readOnly = false },
      { sourceVolume = "tmp", containerPath = "/tmp", readOnly = false },
    ]

    logConfiguration = {
      logDriver = "awslogs"
      options   = { "awslogs-group" = var.log_group, "awslogs-region" = var.region, "awslogs-stream-prefix" = var.name }
    }
  }

  health = {
    command     = ["CMD", "python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:${coalesce(var.port, 0)}/healthz', timeout=2)"]
    interval    = 15
    timeout     = 5
    retries     = 3
    startPeriod = 300 # of the time to fetch and load a model; what answers earlier is healthy earlier
  }
}
