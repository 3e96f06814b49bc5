import Config

# For this project's own tests and benchmarks; an application that depends on it has its own.
config :warp_engine,
  data_root: Path.join(System.tmp_dir!(), "warp_engine_#{config_env()}_#{System.pid()}")

if config_env() != :dev do
  config :logger, level: :warning
end

config :warp_engine, enable_entropy_monitoring: config_env() != :prod
