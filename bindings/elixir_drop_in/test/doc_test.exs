defmodule WarpEngine.DocTest do
  use ExUnit.Case

  doctest WarpEngine
  doctest WarpEngine.Application
  doctest WarpEngine.Associations
  doctest WarpEngine.Config
  doctest WarpEngine.EntropyMonitor
  doctest WarpEngine.Group
  doctest WarpEngine.JSON
  doctest WarpEngine.Key
  doctest WarpEngine.Load
  doctest WarpEngine.Metrics
  doctest WarpEngine.Owner
  doctest WarpEngine.QuantumIndex
  doctest WarpEngine.Record
  doctest WarpEngine.Store
  doctest WarpEngine.Temperature
  doctest WarpEngine.TermCache
end
