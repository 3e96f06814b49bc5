Code.require_file("support.exs", __DIR__)
ExUnit.start(timeout: 120_000)
