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
  doctest EnhancedADT
  doctest EnhancedADT.Annotation
  doctest EnhancedADT.Bend
  doctest EnhancedADT.Linked
  doctest EnhancedADT.Node
  doctest EnhancedADT.Ref
  doctest EnhancedADT.Structure
  doctest EnhancedADT.Sum
  doctest EnhancedADT.WarpEngineIntegration.Translators
end

defmodule EnhancedADT.FieldTest do
  use ExUnit.Case

  doctest EnhancedADT.Field
end
