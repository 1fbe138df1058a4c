module "key" {
  source = "./modules/key"

  name = var.name
}

module "alarms" {
  source = "./modules/alarms"

  name    = var.name
  key_arn = module.key.arn
  mail    = var.alarm_mail
}

module "registry" {
  source = "./modules/registry"

  name    = var.name
  key_arn = module.key.arn
}

module "objects" {
  source = "./modules/objects"

  bucket  = var.bucket
  key_arn = module.key.arn
}

module "secrets" {
  source = "./modules/secrets"

  name    = var.name
  names   = var.secrets
  key_arn = module.key.arn
}

module "compute" {
  source = "./modules/compute"

  name           = var.name
  vpc            = var.vpc
  repository_arn = module.registry.arn
  bucket_arn     = module.objects.arn
  prefix         = var.prefix
  secret_arns    = module.secrets.arns
  key_arn        = module.key.arn
}

module "database" {
  source = "./modules/database"

  name        = var.name
  vpc         = var.vpc
  subnets     = var.private_subnets
  key_arn     = module.key.arn
  alarm_topic = module.alarms.topic_arn

  clients = merge(
    { tasks = module.compute.security_group },
    { for group in module.documents[*].security_group : "documents" => group },
    { for group in module.gate[*].security_group : "gate" => group },
    { for name, answers in module.answers : name => answers.security_group },
  )
}

module "balancer" {
  source = "./modules/balancer"
  count  = length(var.services) > 0 ? 1 : 0

  name                 = var.name
  vpc                  = var.vpc
  subnets              = var.private_subnets
  clients              = var.clients
  certificate_arn      = var.certificate_arn
  tasks_security_group = module.compute.security_group
}

module "service" {
  source   = "./modules/service"
  for_each = { for name, service in var.services : name => service if !contains(var.answer_functions, name) }

  name                 = each.key
  service              = each.value
  image                = var.image
  environ              = var.environ
  secret_arns          = module.secrets.arns
  region               = var.region
  vpc                  = var.vpc
  subnets              = var.private_subnets
  cluster_arn          = module.compute.cluster_arn
  cluster_name         = module.compute.cluster_name
  tasks_security_group = module.compute.security_group
  execution_role_arn   = module.compute.execution_role_arn
  task_role_arn        = module.compute.task_role_arn
  log_group            = module.compute.log_group
  listener_arn         = module.balancer[0].listener_arn
  balancer_dimension   = module.balancer[0].dimension
  host                 = "${each.key}.${var.domain}"
  alarm_topic          = module.alarms.topic_arn
  gate                 = var.gate_function ? module.gate[0].gate : var.gate
}

module "gate" {
  source = "./modules/gate"
  count  = var.gate_function ? 1 : 0

  name           = "${var.name}-gate"
  image          = var.image
  environ        = var.environ
  secret_arns    = { for name in ["SHIPWAY_CATALOGUE", "SHIPWAY_TRUST"] : name => module.secrets.arns[name] }
  objects_policy = module.compute.objects_policy
  vpc            = var.vpc
  subnets        = var.private_subnets
  key_arn        = module.key.arn
  alarm_topic    = module.alarms.topic_arn
}

module "answers" {
  source   = "./modules/answers"
  for_each = { for name in var.answer_functions : name => var.services[name] }

  name           = each.key
  service        = each.value
  image          = var.image
  environ        = var.environ
  secret_arns    = module.secrets.arns
  objects_policy = module.compute.objects_policy
  vpc            = var.vpc
  subnets        = var.private_subnets
  key_arn        = module.key.arn
  listener_arn   = module.balancer[0].listener_arn
  host           = "${each.key}.${var.domain}"
  alarm_topic    = module.alarms.topic_arn
}

module "pipeline" {
  source = "./modules/pipeline"
  count  = var.pipeline == null ? 0 : 1

  name                 = var.name
  image                = var.image
  machine_file         = var.pipeline.machine == null ? null : "${path.root}/${var.pipeline.machine}"
  scheduled_file       = var.pipeline.scheduled == null ? null : "${path.root}/${var.pipeline.scheduled}"
  schedule             = var.pipeline.schedule
  environ              = var.environ
  secret_arns          = module.secrets.arns
  region               = var.region
  subnets              = var.private_subnets
  cluster_arn          = module.compute.cluster_arn
  cluster_name         = module.compute.cluster_name
  tasks_security_group = module.compute.security_group
  execution_role_arn   = module.compute.execution_role_arn
  task_role_arn        = module.compute.task_role_arn
  log_group            = module.compute.log_group
  bucket_arn           = module.objects.arn
  prefix               = var.prefix
  key_arn              = module.key.arn
  alarm_topic          = module.alarms.topic_arn

  jobs = {
    queue_arn       = one(module.batch[*].queue_arn)
    definition_arns = merge(module.batch[*].job_definitions...)
  }
}

module "batch" {
  source = "./modules/batch"
  count  = length(var.gpu_steps) > 0 ? 1 : 0

  name                 = var.name
  steps                = var.gpu_steps
  image                = var.image
  environ              = var.environ
  secret_arns          = module.secrets.arns
  region               = var.region
  subnets              = var.private_subnets
  tasks_security_group = module.compute.security_group
  execution_role_arn   = module.compute.execution_role_arn
  task_role_arn        = module.compute.task_role_arn
  log_group            = module.compute.log_group
}

module "documents" {
  source = "./modules/documents"
  count  = length(var.documents) > 0 ? 1 : 0

  name               = "${var.name}-documents"
  documents          = var.documents
  documents_key_arns = var.documents_key_arns
  notify             = var.documents_notify
  image              = var.image
  environ            = var.environ
  secret_arns        = { for name, arn in module.secrets.arns : name => arn if name != "SHIPWAY_SIGNING_KEY" } # it signs nothing
  objects_policy     = module.compute.objects_policy
  vpc                = var.vpc
  subnets            = var.private_subnets
  key_arn            = module.key.arn
  alarm_topic        = module.alarms.topic_arn
}

module "github" {
  source = "./modules/github"
  count  = var.github_repository == null ? 0 : 1

  name           = var.name
  repository     = var.github_repository
  environments   = var.github_environments
  objects_policy = module.compute.objects_policy
  repository_arn = module.registry.arn
  machine_arns   = { for name, arn in merge(module.pipeline[*].machine_arns...) : name => arn if name == var.name } # not the scheduled one
}
