defmodule EnhancedADT.Node do
  @moduledoc """
  What the modules of products and of variants have in common: the struct, its type, `new/n`, and
  `__adt__/1`, by which folds and stores know them.

      __adt__(:kind)     :product | :variant
      __adt__(:of)       the module of the sum, or the product itself
      __adt__(:name)     the bare name of the variant or the product
      __adt__(:fields)   [%{name, rec, target, physics}]
      __adt__(:rec)      [{name, :one | :optional | :many}] of the recursive fields
  """

  alias EnhancedADT.Field

  @doc false
  @spec struct(module, [Field.t()], keyword, boolean) :: Macro.t()
  def struct(module, fields, constants, enforce?) do
    names = Enum.map(fields, & &1.name)
    types = for f <- fields, do: {f.name, Field.typespec(f)}
    constant_types = for {name, value} <- constants, do: {name, value}
    arguments = for name <- names, do: Macro.var(name, __MODULE__)
    values = Enum.zip(names, arguments)

    quote do
      unquote(if enforce?, do: quote(do: @enforce_keys(unquote(names))))
      defstruct unquote(constants ++ for(name <- names, do: {name, nil}))
      @type t :: %unquote(module){unquote_splicing(constant_types ++ types)}

      @doc false
      unquote(constructor(names, arguments, values))
    end
  end

  # The only field, given by its name or by its value.
  defp constructor([name], [argument], values) do
    quote do
      def new([{unquote(name), unquote(argument)}]), do: %__MODULE__{unquote_splicing(values)}
      def new(unquote(argument)), do: %__MODULE__{unquote_splicing(values)}
    end
  end

  defp constructor(_names, arguments, values) do
    quote do
      def new(unquote_splicing(arguments)), do: %__MODULE__{unquote_splicing(values)}
    end
  end

  @doc false
  @spec info(:product | :variant, module, module, [Field.t()]) :: Macro.t()
  def info(kind, module, of, fields) do
    name = module |> Module.split() |> List.last() |> String.to_atom()
    infos = Enum.map(fields, &Field.info/1)
    rec = for f <- fields, f.rec, do: {f.name, f.rec}

    quote do
      @doc false
      def __adt__(:kind), do: unquote(kind)
      def __adt__(:of), do: unquote(of)
      def __adt__(:name), do: unquote(name)
      def __adt__(:fields), do: unquote(Macro.escape(infos))
      def __adt__(:rec), do: unquote(rec)
    end
  end

  @doc """
  Whether a module is a node of an algebraic type.

      iex> EnhancedADT.Node.node?(String)
      false
  """
  @spec node?(module) :: boolean
  def node?(module) do
    is_atom(module) and Code.ensure_loaded?(module) and function_exported?(module, :__adt__, 1)
  end
end
