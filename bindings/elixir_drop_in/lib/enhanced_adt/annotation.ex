defmodule EnhancedADT.Annotation do
  @moduledoc """
  The annotations of fields (`physics:`), and the options of a put that they become.

  | annotation | value | becomes |
  | --- | --- | --- |
  | `:spacetime_shard_hint` | `:hot`, `:warm`, `:cold`; others are `:warm` | `access_pattern:`, the temperature to start with |
  | `:access_pattern` | as it is | `access_pattern:` |
  | `:gravitational_mass` | a number; others are 1.0 | `data_mass:` |
  | `:temporal_weight` | a number; others are 1.0 | `temporal_weight:` |
  | `:quantum_entanglement_group` | as it is | the key is linked to the last 8 keys of its group |
  | `:quantum_entanglement_potential` | a number, clamped to 0..1; others are 0.5 | strength of these links |
  | others | as it is | nothing; `extract_physics_context/1` gives it |

  A temperature goes down to the engine as the hint of the put, and a link is the engine's. None
  becomes a placement rule: those are patterns of keys, for the whole database, and an annotation is
  about one value. `:place_groups` of the configuration places by pattern.
  """

  @doc """
  Annotations with their values. Of two fields with one annotation, the later in the alphabet.

      iex> EnhancedADT.Annotation.context(%{a: 7, b: "x"}, %{a: :quantum_entanglement_potential, b: :temporal_weight})
      %{quantum_entanglement_potential: 1.0, temporal_weight: 1.0}
  """
  @spec context(map, %{atom => atom}) :: %{atom => term}
  def context(data, config) do
    for {field, annotation} <- Enum.sort(config), into: %{} do
      {annotation, convert(annotation, Map.get(data, field))}
    end
  end

  defp convert(:gravitational_mass, value), do: number(value, 1.0)
  defp convert(:temporal_weight, value), do: number(value, 1.0)

  defp convert(:quantum_entanglement_potential, value) do
    value |> number(0.5) |> max(0.0) |> min(1.0)
  end

  defp convert(:spacetime_shard_hint, value) when value in [:hot, :warm, :cold], do: value
  defp convert(:spacetime_shard_hint, _value), do: :warm
  defp convert(_annotation, value), do: value

  defp number(value, _default) when is_number(value), do: value
  defp number(_value, default), do: default

  @doc """
  Options of a put for a context.

      iex> EnhancedADT.Annotation.put_options(%{spacetime_shard_hint: :hot, gravitational_mass: 2.0})
      [access_pattern: :hot, data_mass: 2.0]
  """
  @spec put_options(%{atom => term}) :: keyword
  def put_options(context) do
    for {annotation, option} <- [
          access_pattern: :access_pattern,
          spacetime_shard_hint: :access_pattern,
          gravitational_mass: :data_mass,
          temporal_weight: :temporal_weight
        ],
        is_map_key(context, annotation),
        uniq: true,
        do: {option, context[annotation]}
  end

  @doc """
  The group and the strength of its links, or `nil`.

      iex> EnhancedADT.Annotation.group(%{quantum_entanglement_group: "eu", quantum_entanglement_potential: 0.9})
      {"eu", 0.9}
      iex> EnhancedADT.Annotation.group(%{})
      nil
  """
  @spec group(%{atom => term}) :: {term, number} | nil
  def group(%{quantum_entanglement_group: group} = context) when group != nil do
    {group, Map.get(context, :quantum_entanglement_potential, 0.5)}
  end

  def group(_context), do: nil

  @doc """
  The context of a value: of a product, what its annotations say; of anything else, nothing.

      iex> EnhancedADT.Annotation.of(%{a: 1})
      %{}
  """
  @spec of(term) :: %{atom => term}
  def of(%module{} = data) do
    if function_exported?(module, :extract_physics_context, 1),
      do: module.extract_physics_context(data),
      else: %{}
  end

  def of(_data), do: %{}
end
