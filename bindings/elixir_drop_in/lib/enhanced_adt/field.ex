defmodule EnhancedADT.Field do
  @moduledoc """
  One field of a product or of a variant, as it was declared.

  `name :: type`, with the type's quoted form kept for `__adt_field_specs__/0`. The mark `rec(T)` in
  the type says that the field holds another node of the structure, and how:

      rec(T)          a node                       :one
      rec(T) | nil    a node, or nil               :optional
      [rec(T)]        a list of nodes              :many
      anything else   a value                      nil

  `T` is a type of the same module, or an alias. It may be declared later.
  """

  @enforce_keys [:name, :type, :rec, :target, :physics, :offload]
  defstruct [:name, :type, :rec, :target, :physics, :offload]

  @type t :: %__MODULE__{
          name: atom,
          type: Macro.t(),
          rec: :one | :optional | :many | nil,
          target: [module],
          physics: atom | nil,
          offload: atom | nil
        }

  @doc """
  The field of a declaration: `name`, `name :: type`.

      iex> field = EnhancedADT.Field.parse(quote(do: left :: rec(Tree)), [], __ENV__)
      iex> {field.name, field.rec}
      {:left, :one}
      iex> field = EnhancedADT.Field.parse(quote(do: name), [physics: :temporal_weight], __ENV__)
      iex> {field.name, field.type, field.physics}
      {:name, :any, :temporal_weight}
  """
  @spec parse(Macro.t(), keyword, Macro.Env.t()) :: t
  def parse({:"::", _, [{name, _, context}, type]}, options, env)
      when is_atom(name) and is_atom(context) do
    {rec, target} = recursion(type, env)
    new(name, type, rec, target, options)
  end

  def parse({name, _, context}, options, _env) when is_atom(name) and is_atom(context) do
    new(name, :any, nil, [], options)
  end

  def parse(name, options, _env) when is_atom(name) and name not in [nil, true, false] do
    new(name, :any, nil, [], options)
  end

  def parse(other, _options, env) do
    raise CompileError,
      file: env.file,
      line: env.line,
      description: "a field is `name` or `name :: type`, not `#{Macro.to_string(other)}`"
  end

  defp new(name, type, rec, target, options) do
    %__MODULE__{
      name: name,
      type: type,
      rec: rec,
      target: target,
      physics: options[:physics],
      offload: options[:physics_offload]
    }
  end

  defp recursion({:rec, _, [target]}, env), do: {:one, candidates(target, env)}
  defp recursion([{:rec, _, [target]}], env), do: {:many, candidates(target, env)}
  defp recursion({:list, _, [{:rec, _, [target]}]}, env), do: {:many, candidates(target, env)}

  defp recursion({:|, _, sides}, env) do
    case for {:rec, _, [target]} <- sides, do: target do
      [target] -> if nil in sides, do: {:optional, candidates(target, env)}, else: {nil, []}
      _ -> {nil, []}
    end
  end

  defp recursion(_type, _env), do: {nil, []}

  # A type of the module that is being defined goes before any other of that name.
  defp candidates({:__aliases__, _, parts} = alias, env) do
    Enum.uniq([Module.concat([env.module | parts]), Macro.expand(alias, env)])
  end

  defp candidates(name, env) when is_atom(name), do: [Module.concat(env.module, name), name]
  defp candidates(_other, env), do: [env.module]

  @doc """
  The type for a `@type`.

      iex> field = EnhancedADT.Field.parse(quote(do: next :: rec(Chain) | nil), [], __ENV__)
      iex> Macro.to_string(EnhancedADT.Field.typespec(field))
      "EnhancedADT.FieldTest.Chain.t() | EnhancedADT.Ref.t() | nil"
  """
  @spec typespec(t) :: Macro.t()
  def typespec(%__MODULE__{rec: nil, type: :any}), do: quote(do: term)
  def typespec(%__MODULE__{rec: nil, type: type}), do: type

  def typespec(%__MODULE__{rec: rec, target: [target | _]}) do
    node = quote(do: unquote(target).t() | EnhancedADT.Ref.t())

    case rec do
      :one -> node
      :optional -> quote(do: unquote(target).t() | EnhancedADT.Ref.t() | nil)
      :many -> [node]
    end
  end

  @doc """
  What generated modules keep of a field for `__adt__(:fields)`.

      iex> field = EnhancedADT.Field.parse(quote(do: a), [], __ENV__)
      iex> EnhancedADT.Field.info(field)
      %{name: :a, rec: nil, target: [], physics: nil}
  """
  @spec info(t) :: map
  def info(field), do: Map.take(field, [:name, :rec, :target, :physics])
end
