"""The LLM gateway: keys, limits, budgets, routing, caches, records."""
