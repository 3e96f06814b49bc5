defmodule EnhancedADT.Bend do
  @moduledoc """
  Unfolds: `bend`, the opposite of a fold.

      bend from: depth, network_analysis: false do
        0 -> Tree.Leaf.new()
        n -> Tree.Node.new(n, fork(n - 1), fork(n - 1))
      end

  The clauses are matched against the seed. `fork(seed)` in a body is what another seed grows into,
  by the same clauses. Without a `fork` it is a `case`, as the original's.

  The answer is `{structure, %{wormhole_connections: list, estimated_performance_gain: 0,
  network_analysis: :performance_optimized}}`. The list is measured: which kinds of nodes follow
  each other in the structure, and what share of all pairs each makes up. No gain is measured, so
  none is claimed. With `network_analysis: false` it is the structure alone, and nothing is walked.
  """

  @doc false
  @spec expand(Macro.t(), Macro.t(), Macro.Env.t()) :: Macro.t()
  def expand(options, clauses, env) do
    unless Keyword.keyword?(options) and Keyword.has_key?(options, :from) do
      raise CompileError,
        file: env.file,
        line: env.line,
        description: "bend needs a seed: `bend from: seed do`"
    end

    self = Macro.unique_var(:self, __MODULE__)
    {clauses, forks} = grown(clauses, self)
    structure = unfold(options[:from], clauses, forks, self)

    if Keyword.get(options, :network_analysis, true) == false,
      do: structure,
      else: quote(do: EnhancedADT.Bend.with_analysis(unquote(structure)))
  end

  # The clauses with `fork(seed)` replaced, but for those of an inner bend.
  defp grown(clauses, self) do
    Macro.traverse(
      clauses,
      0,
      fn
        {:fork, _, [seed]}, n -> {quote(do: unquote(self).(unquote(self), unquote(seed))), n + 1}
        {:bend, meta, [options, body]}, n -> {{{:inner, meta}, [], [options, escape(body)]}, n}
        other, n -> {other, n}
      end,
      fn
        {{:inner, meta}, [], [options, body]}, n -> {{:bend, meta, [options, unescape(body)]}, n}
        other, n -> {other, n}
      end
    )
  end

  # What is no quoted form is not walked into.
  defp escape(body), do: fn -> body end
  defp unescape(body), do: body.()

  defp unfold(seed, clauses, 0, _self), do: {:case, [], [seed, [do: clauses]]}

  defp unfold(seed, clauses, _forks, self) do
    from = Macro.unique_var(:seed, __MODULE__)

    quote do
      unquote(self) = fn unquote(self), unquote(from) ->
        unquote({:case, [], [from, [do: clauses]]})
      end

      unquote(self).(unquote(self), unquote(seed))
    end
  end

  @doc """
  A structure with what was measured of it.

      iex> EnhancedADT.Bend.with_analysis(1)
      {1, %{wormhole_connections: [], estimated_performance_gain: 0, network_analysis: :performance_optimized}}
  """
  @spec with_analysis(structure) :: {structure, map} when structure: term
  def with_analysis(structure) do
    {structure,
     %{
       wormhole_connections: EnhancedADT.Structure.transitions(structure),
       estimated_performance_gain: 0,
       network_analysis: :performance_optimized
     }}
  end
end
