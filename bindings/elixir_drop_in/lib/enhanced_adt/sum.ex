defmodule EnhancedADT.Sum do
  @moduledoc """
  Sum types: `defsum`.

      defsum Shape do
        variant Circle, radius :: float()
        variant Rectangle, width, height
        variant Group, members :: [rec(Shape)]
        variant Nothing
      end

  That makes the module `Shape` in the module that declares it, and below it one for each variant:
  `Shape.Circle`, with

    * the struct `%Shape.Circle{__variant__: :Circle, radius: nil}` and its type `t`;
    * `new/n`, in the order of declaration.

  So a variant is matched as `%Shape.Circle{radius: r}` or as `%{__variant__: :Circle, radius: r}`.
  `Shape` itself has

    * `Shape."Circle"(1.0)`, the same as `Shape.Circle.new(1.0)`;
    * `is_variant?/1`, `get_variant/1`, `__adt_variants__/0`, `__adt_wormhole_topology__/0` and
      `__adt_type__/0`, as the original has them;
    * the type `t`, of all variants.
  """

  alias EnhancedADT.Field

  @doc false
  @spec define(Macro.t(), Macro.t(), Macro.Env.t()) :: Macro.t()
  def define({:__aliases__, _, _} = alias, block, env) do
    sum = Module.concat(env.module, Macro.expand(alias, %{env | aliases: []}))
    variants = Enum.map(lines(block), &variant(&1, env))
    unique!(for({name, _} <- variants, do: name), env)

    quote do
      defmodule unquote(alias) do
        @moduledoc false
        unquote_splicing(for {name, fields} <- variants, do: variant_module(sum, name, fields))
        unquote_splicing(for {name, fields} <- variants, do: constructor(sum, name, fields))
        unquote(reflection(sum, variants))
      end

      @__adts__ unquote(sum)
    end
  end

  defp lines({:__block__, _, lines}), do: lines
  defp lines(line), do: [line]

  defp variant({:variant, _, [name | fields]}, env) do
    name =
      case name do
        {:__aliases__, _, [name]} -> name
        name when is_atom(name) -> name
        other -> error("a variant has a name, not `#{Macro.to_string(other)}`", env)
      end

    {name, Enum.map(fields, &Field.parse(&1, [], env))}
  end

  defp variant(other, env) do
    error(
      "a sum has lines `variant Name, field, field :: type`, not `#{Macro.to_string(other)}`",
      env
    )
  end

  defp unique!(names, env) do
    case names -- Enum.uniq(names) do
      [] -> :ok
      [name | _] -> error("the variant #{name} is declared twice", env)
    end
  end

  defp error(text, env),
    do: raise(CompileError, file: env.file, line: env.line, description: text)

  defp variant_module(sum, name, fields) do
    module = Module.concat(sum, name)

    quote do
      defmodule unquote({:__aliases__, [alias: false], [name]}) do
        @moduledoc false
        unquote(EnhancedADT.Node.struct(module, fields, [__variant__: name], false))
        unquote(EnhancedADT.Node.info(:variant, module, sum, fields))
        @doc false
        def __adt_type__, do: :variant
      end
    end
  end

  defp constructor(sum, name, fields) do
    arguments = Macro.generate_arguments(length(fields), __MODULE__)

    quote do
      @doc false
      def unquote(name)(unquote_splicing(arguments)) do
        unquote(Module.concat(sum, name)).new(unquote_splicing(arguments))
      end
    end
  end

  defp reflection(sum, variants) do
    names = for {name, _} <- variants, do: name
    modules = for name <- names, do: Module.concat(sum, name)
    types = for module <- modules, do: quote(do: unquote(module).t())

    described =
      for {name, fields} <- variants do
        %{name: name, fields: for(f <- fields, do: %{name: f.name, type: f.type})}
      end

    quote do
      @type t :: unquote(Enum.reduce(Enum.reverse(types), &{:|, [], [&1, &2]}))

      @doc false
      def __adt_type__, do: :sum
      @doc false
      def __adt_variants__, do: unquote(Macro.escape(described))
      @doc false
      def __adt_variant_modules__, do: unquote(modules)

      @doc false
      @spec is_variant?(term) :: boolean
      def is_variant?(%{__variant__: name}), do: name in unquote(names)
      def is_variant?(_other), do: false

      @doc false
      @spec get_variant(term) :: atom
      def get_variant(%{__variant__: name}) when name in unquote(names), do: name
      def get_variant(_other), do: nil

      @doc false
      def __adt_wormhole_topology__ do
        EnhancedADT.Sum.topology(__MODULE__, __adt_variants__())
      end
    end
  end

  @doc """
  Which variants share a type of field: the pairs between which a value can pass.

      iex> EnhancedADT.Sum.topology(Shape, [
      ...>   %{name: :A, fields: [%{name: :x, type: :any}]},
      ...>   %{name: :B, fields: [%{name: :y, type: :any}]},
      ...>   %{name: :C, fields: []}
      ...> ]).wormhole_connections
      [
        %{source: :A, target: :B, connection_type: :variant_transition, strength: 0.5},
        %{source: :B, target: :A, connection_type: :variant_transition, strength: 0.5}
      ]
  """
  @spec topology(module, [map]) :: map
  def topology(sum, variants) do
    connections =
      for source <- variants,
          target <- variants,
          source.name != target.name,
          share?(source, target) do
        %{
          source: source.name,
          target: target.name,
          connection_type: :variant_transition,
          strength: 0.5
        }
      end

    %{
      sum_type: sum,
      variant_count: length(variants),
      wormhole_connections: connections,
      topology_type: :sum_type_network
    }
  end

  defp share?(source, target) do
    types = Enum.map(target.fields, &bare(&1.type))
    Enum.any?(source.fields, &(bare(&1.type) in types))
  end

  defp bare(type), do: Macro.prewalk(type, &Macro.update_meta(&1, fn _ -> [] end))
end
