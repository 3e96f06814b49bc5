defmodule WarpEngine.GuideTest do
  # The snippets of README.md and ADT.md run, and UPGRADE.md and Config name every option.
  use ExUnit.Case

  defp blocks(file) do
    text = File.read!(Path.join(__DIR__, "../#{file}"))
    for [_, code] <- Regex.scan(~r/```elixir\n(.*?)```/s, text), do: code
  end

  test "the calls of README.md" do
    calls = Enum.find(blocks("README.md"), &(&1 =~ "cosmic_put"))
    # Times differ from run to run.
    calls = Regex.replace(~r/_data, \d+\}/, calls, "_data, _}")
    assert {_, _} = Code.eval_string(calls)
  end

  test "the guide to algebraic data types" do
    [types | rest] = blocks("ADT.md")
    functions = Enum.filter(rest, &(&1 =~ ~r/\Adef /))
    depth = Enum.find(rest, &(&1 =~ ~r/\Afold tree, state/))
    body = Enum.join(functions ++ ["def depth(tree) do\n#{depth}end\n"], "\n")
    module = types |> String.trim_trailing() |> String.replace_suffix("end", body <> "end")

    [{guide, _} | _] =
      module
      |> String.replace("Shop", "Guide")
      |> Code.compile_string()
      |> Enum.filter(&match?({Guide, _}, &1))

    tree = guide.build(3)
    assert {guide.sum(tree), guide.depth(tree)} == {11, 3}

    stored = Enum.find(rest, &(&1 =~ "customer:1"))
    linked = Enum.find(rest, &(&1 =~ "linked: true"))
    prelude = "import Guide, only: [sum: 1, build: 1]\nalias Guide.Customer\n"
    {{:ok, customer, :hot_data, _}, _} = Code.eval_string(prelude <> stored)
    assert customer.id == "c1"
    linked = String.replace(linked, "build(16)", "build(6)")
    {loaded, _} = Code.eval_string(prelude <> stored <> linked)
    assert loaded == guide.build(6)
  end

  test "every option has a line in the documentation of the configuration" do
    {:docs_v1, _, _, _, %{"en" => doc}, _, _} = Code.fetch_docs(WarpEngine.Config)
    {:ok, config} = WarpEngine.Config.new([])

    for {name, _} <- config.options do
      assert doc =~ "`:#{name}`", "the option #{name} is not in the documentation"
    end
  end

  test "every public function has a doc, a spec and an example" do
    {:ok, modules} = :application.get_key(:warp_engine, :modules)

    for module <- modules,
        {:docs_v1, _, _, _, %{"en" => _}, _, docs} <- [Code.fetch_docs(module)],
        {:ok, specs} = Code.Typespec.fetch_specs(module),
        {{:function, name, arity}, _, _, doc, _} <- docs,
        doc != :hidden and {name, arity} not in callbacks() do
      function = "#{inspect(module)}.#{name}/#{arity}"
      assert match?(%{"en" => _}, doc), "#{function} has no doc"
      assert doc["en"] =~ "iex>" or doc["en"] =~ "example stands", "#{function} has no example"
      assert List.keymember?(specs, {name, arity}, 0), "#{function} has no spec"
    end
  end

  defp callbacks do
    [
      child_spec: 1,
      start: 2,
      init: 1,
      handle_call: 3,
      handle_cast: 2,
      handle_info: 2,
      handle_continue: 2,
      terminate: 2
    ] ++
      [exception: 1, message: 1, __struct__: 0, __struct__: 1]
  end
end
