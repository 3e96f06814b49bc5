defmodule EnhancedADT.Structure do
  @moduledoc """
  Walks structures by their recursive fields.
  """

  alias EnhancedADT.Node

  @doc """
  A node with each of its child nodes replaced by what `fun` makes of it. Other terms stay.

      iex> EnhancedADT.Structure.map_children(%{a: 1}, fn _ -> 2 end)
      %{a: 1}
  """
  @spec map_children(term, (term -> term)) :: term
  def map_children(node, fun) do
    {node, nil} = map_reduce_children(node, nil, fn child, nil -> {fun.(child), nil} end)
    node
  end

  @doc """
  `map_children/2` with an accumulator that goes from child to child.

      iex> EnhancedADT.Structure.map_reduce_children(%{a: 1}, 0, fn child, n -> {child, n + 1} end)
      {%{a: 1}, 0}
  """
  @spec map_reduce_children(term, acc, (term, acc -> {term, acc})) :: {term, acc} when acc: term
  def map_reduce_children(%module{} = node, acc, fun) do
    Enum.reduce(rec(module), {node, acc}, fn {field, kind}, {node, acc} ->
      {child, acc} = map_child(kind, Map.fetch!(node, field), acc, fun)
      {Map.put(node, field, child), acc}
    end)
  end

  def map_reduce_children(other, acc, _fun), do: {other, acc}

  defp map_child(:many, children, acc, fun) when is_list(children) do
    Enum.map_reduce(children, acc, fun)
  end

  defp map_child(_kind, nil, acc, _fun), do: {nil, acc}
  defp map_child(_kind, child, acc, fun), do: fun.(child, acc)

  @doc """
  The child nodes of a node.

      iex> EnhancedADT.Structure.children("no node")
      []
  """
  @spec children(term) :: [term]
  def children(%module{} = node) do
    for {field, kind} <- rec(module), child <- list(kind, Map.fetch!(node, field)), do: child
  end

  def children(_other), do: []

  defp list(:many, children) when is_list(children), do: children
  defp list(_kind, nil), do: []
  defp list(_kind, child), do: [child]

  defp rec(module), do: if(Node.node?(module), do: module.__adt__(:rec), else: [])

  @doc """
  The kinds of nodes that follow each other in a structure, and the share that each pair has of all.

      iex> EnhancedADT.Structure.transitions(:no_structure)
      []
  """
  @spec transitions(term) :: [map]
  def transitions(structure) do
    counts = count(structure, %{})
    total = counts |> Map.values() |> Enum.sum()

    for {{source, target}, n} <- Enum.sort(counts) do
      %{
        source: source,
        target: target,
        connection_type: :variant_transition,
        strength: n / total
      }
    end
  end

  defp count(node, counts) do
    Enum.reduce(children(node), counts, fn child, counts ->
      counts = Map.update(counts, {name(node), name(child)}, 1, &(&1 + 1))
      count(child, counts)
    end)
  end

  defp name(%module{}), do: if(Node.node?(module), do: module.__adt__(:name), else: module)
  defp name(_other), do: :value
end
