Code.require_file("support.exs", __DIR__)
Code.require_file("adt_types.exs", __DIR__)
ExUnit.start(timeout: 120_000, exclude: [:long])

ExUnit.after_suite(fn _ ->
  Application.stop(:warp_engine)
  File.rm_rf!(Application.fetch_env!(:warp_engine, :data_root))
end)
