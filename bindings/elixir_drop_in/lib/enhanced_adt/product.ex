defmodule EnhancedADT.Product do
  @moduledoc """
  Product types: `defproduct`.

      defproduct Account do
        field id :: String.t()
        field owner :: rec(Person)
        field balance :: float(), physics: :gravitational_mass
      end

  A field to a line, with or without the word `field`, with a type or without one. `physics:` is an
  annotation, what it does to a put stands in `EnhancedADT.WarpEngineIntegration.Translators`.

  That makes the module `Account` in the module that declares it, with

    * a struct whose keys are all enforced, and its type `t`;
    * `new/n`, in the order of declaration, and `new/1` of a keyword list, where what is missing is
      `nil`. With a single field, `new/1` takes its value, except for a list that names the field;
    * `__adt_field_specs__/0`, `__adt_physics_config__/0`, `__adt_physics_offload__/0`,
      `extract_physics_context/1`, `__adt_pattern_match__/n`, `__adt_destructure__/1` and
      `__adt_type__/0`, as the original has them.
  """

  alias EnhancedADT.Field

  @doc false
  @spec define(Macro.t(), Macro.t(), Macro.Env.t()) :: Macro.t()
  def define({:__aliases__, _, _} = alias, block, env) do
    fields = Enum.map(lines(block), &field(&1, env))
    names = Enum.map(fields, & &1.name)
    unique!(names, env)
    module = Module.concat(env.module, Macro.expand(alias, %{env | aliases: []}))

    quote do
      defmodule unquote(alias) do
        @moduledoc false
        unquote(EnhancedADT.Node.struct(module, fields, [], true))
        unquote(EnhancedADT.Node.info(:product, module, module, fields))
        unquote(from_keyword(names))
        unquote(reflection(fields))
      end

      @__adts__ unquote(module)
    end
  end

  defp lines({:__block__, _, lines}), do: lines
  defp lines(line), do: [line]

  defp field({:field, _, [declaration]}, env), do: Field.parse(declaration, [], env)

  defp field({:field, _, [declaration, options]}, env) when is_list(options) do
    Field.parse(declaration, options, env)
  end

  defp field(declaration, env), do: Field.parse(declaration, [], env)

  defp unique!(names, env) do
    case names -- Enum.uniq(names) do
      [] ->
        :ok

      [name | _] ->
        raise CompileError,
          file: env.file,
          line: env.line,
          description: "the field #{name} is declared twice"
    end
  end

  # The general new/1, beside the positional one.
  defp from_keyword([_]), do: nil

  defp from_keyword(_names) do
    quote do
      @doc false
      @spec new(keyword) :: t
      def new(fields) when is_list(fields), do: struct(__MODULE__, fields)
    end
  end

  defp reflection(fields) do
    specs = for f <- fields, do: %{name: f.name, type: f.type, physics: f.physics}
    physics = for f <- fields, f.physics, into: %{}, do: {f.name, f.physics}
    offload = for f <- fields, f.offload, into: %{}, do: {f.name, f.offload}
    names = Enum.map(fields, & &1.name)
    arguments = Macro.generate_arguments(length(names), __MODULE__)

    quote do
      @doc false
      def __adt_type__, do: :product
      @doc false
      def __adt_field_specs__, do: unquote(Macro.escape(specs))
      @doc false
      def __adt_physics_config__, do: unquote(Macro.escape(physics))
      @doc false
      def __adt_physics_offload__, do: unquote(Macro.escape(offload))

      @doc false
      def extract_physics_context(%__MODULE__{} = data) do
        EnhancedADT.Annotation.context(data, __adt_physics_config__())
      end

      @doc false
      def __adt_pattern_match__(unquote_splicing(arguments)), do: new(unquote_splicing(arguments))

      @doc false
      def __adt_destructure__(%__MODULE__{} = data) do
        unquote({:{}, [], for(name <- names, do: quote(do: data.unquote(name)))})
      end
    end
  end
end
