defmodule WarpEngine.Native.DocTest do
  use ExUnit.Case, async: true

  doctest WarpEngine.Native
  doctest WarpEngine.Native.Batch
  doctest WarpEngine.Native.Error
  doctest WarpEngine.Native.Links
  doctest WarpEngine.Native.Monitor
  doctest WarpEngine.Native.Options
  doctest WarpEngine.Native.Placement
  doctest WarpEngine.Native.Server

  test "every public function has a doc, a spec and an example" do
    for module <- [
          WarpEngine.Native,
          WarpEngine.Native.Batch,
          WarpEngine.Native.Links,
          WarpEngine.Native.Monitor,
          WarpEngine.Native.Options,
          WarpEngine.Native.Placement,
          WarpEngine.Native.Server
        ] do
      {:docs_v1, _, _, _, %{"en" => _}, _, docs} = Code.fetch_docs(module)
      {:ok, specs} = Code.Typespec.fetch_specs(module)
      specs = MapSet.new(specs, &elem(&1, 0))

      for {{:function, name, arity}, _, _, doc, meta} <- docs, doc != :hidden do
        function = "#{inspect(module)}.#{name}/#{arity}"
        callback? = name in [:init, :terminate, :__struct__]
        assert callback? or match?(%{"en" => _}, doc), "#{function} has no doc"
        assert callback? or doc["en"] =~ "iex>", "#{function} has no example"
        assert callback? or {name, arity} in specs, "#{function} has no spec"
        assert is_map(meta)
      end
    end
  end
end
