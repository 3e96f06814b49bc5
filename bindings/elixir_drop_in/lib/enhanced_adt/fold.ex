defmodule EnhancedADT.Fold do
  @moduledoc """
  Structural folds: `fold`.

      fold tree do
        %Tree.Leaf{} -> 0
        %Tree.Node{value: value, left: left, right: right} -> left + value + right
      end

  A clause says what becomes of one kind of node. In its body, a variable that stands for a
  recursive field (`left :: rec(Tree)`) holds *what the fold has made of that child*, not the
  child. A field with a list of nodes gives a list of results, an optional one that is `nil` gives
  `nil`. A child that no variable stands for is not visited. The node itself is to be had as a
  whole: `%Tree.Node{left: left} = node`.

  In the pattern and the guard a recursive field is still the child, so a guard may not use such a
  variable; and a pattern inside it (`left: %Tree.Leaf{}`) asks what the child is.

  Of types without recursive fields, and of any other term, a fold is a `case`, as the original's.
  Variants may also be written as maps, `%{__variant__: :Node, left: left}`. If such a name is in
  several sums of the module, or in another module, `of:` says which sum is meant:
  `fold tree, of: Tree do`.

  ## Exhaustiveness

  A fold that names nodes of a type has a clause for each variant of it, and of each type that it
  goes on to by a recursive field, or one for all the rest (`_ -> …`). If not, it is not compiled,
  and the error names what is missing. A clause counts if it has no guard and nothing but variables
  in its pattern.

  ## State

  `state:` goes down with the fold. The variables of recursive fields are then functions of the
  state for that child:

      fold tree, state: depth = 0 do
        %Tree.Leaf{} -> depth
        %Tree.Node{left: left, right: right} -> max(left.(depth + 1), right.(depth + 1))
      end

  `state: 0` alone gives it the name `state`.

  References of linked structures (`EnhancedADT.Ref`) are loaded when the fold comes to them.
  `:mode`, `:physics`, `:wormhole_analysis` and `:quantum_correlation` are accepted and change
  nothing, as ever.
  """

  alias EnhancedADT.Node

  @ignored [:mode, :physics, :wormhole_analysis, :quantum_correlation]

  # A clause, taken apart. `node` is the module of the node that it is about, `:any` when it takes
  # all, nil when it is about another term. `total?`: it takes every node of that module. `bound`:
  # [{field, kind, variable}] of the recursive fields.
  defmodule Clause do
    @moduledoc false
    @enforce_keys [:pattern, :guard, :body, :line, :node, :total?, :bound]
    defstruct [:pattern, :guard, :body, :line, :node, :total?, :bound]
  end

  @doc false
  @spec expand(Macro.t(), Macro.t(), Macro.t(), Macro.Env.t()) :: Macro.t()
  def expand(value, options, clauses, env) do
    check_options(options, env)
    sums = sums(options, env)
    clauses = Enum.map(arrows(clauses, env), &clause(&1, sums, env))
    if Enum.any?(clauses, &about_node?/1), do: exhaustive!(clauses, env)

    cond do
      Enum.any?(clauses, &(&1.bound != [])) ->
        recursive(value, options[:state], clauses)

      Enum.any?(clauses, &about_node?/1) ->
        flat(quote(do: EnhancedADT.Ref.force(unquote(value))), clauses)

      true ->
        flat(value, clauses)
    end
  end

  defp about_node?(clause), do: clause.node not in [nil, :any]

  defp check_options(options, env) do
    unless Keyword.keyword?(options), do: error("the options of a fold are a keyword list", env)

    for {name, _} <- options, name not in [:of, :state | @ignored] do
      error("a fold has no option #{inspect(name)}; it has :of and :state", env)
    end
  end

  defp arrows(clauses, env) do
    if is_list(clauses) and Enum.all?(clauses, &match?({:->, _, [[_], _]}, &1)),
      do: clauses,
      else: error("a fold has clauses `pattern -> result`", env)
  end

  # The sums in which a bare name of a variant is looked up.
  defp sums(options, env) do
    case Keyword.fetch(options, :of) do
      {:ok, alias} ->
        sum = Macro.expand(alias, env)

        if sum?(sum),
          do: [sum],
          else: error("of: #{Macro.to_string(alias)} is no sum type", env)

      :error ->
        adts = if env.module, do: Module.get_attribute(env.module, :__adts__, []), else: []
        Enum.filter(List.wrap(adts), &sum?/1)
    end
  end

  defp sum?(module) do
    is_atom(module) and match?({:module, _}, Code.ensure_compiled(module)) and
      function_exported?(module, :__adt_variant_modules__, 0)
  end

  ## Taking clauses apart

  defp clause({:->, meta, [[head], body]}, sums, env) do
    {pattern, guard} =
      case head do
        {:when, _, [pattern, guard]} -> {pattern, guard}
        pattern -> {pattern, nil}
      end

    {node, fields} = about(pattern, sums, env)
    bound = bound(node, fields)
    check_guard(guard, bound, env)

    %Clause{
      pattern: pattern,
      guard: guard,
      body: body,
      line: meta[:line] || env.line,
      node: node,
      total?: guard == nil and total?(node, fields),
      bound: bound
    }
  end

  # What a pattern is about, and its fields.
  defp about({:=, _, [left, right]}, sums, env) do
    case {about(left, sums, env), about(right, sums, env)} do
      {{:any, _}, other} -> other
      {other, {:any, _}} -> other
      _ -> {nil, []}
    end
  end

  defp about({:%, _, [alias, {:%{}, _, fields}]}, _sums, env) do
    module = Macro.expand(alias, env)

    if is_atom(module) and match?({:module, _}, Code.ensure_compiled(module)) and
         Node.node?(module),
       do: {module, fields},
       else: {nil, []}
  end

  defp about({:%{}, _, fields}, sums, env) do
    with true <- Keyword.keyword?(fields),
         {:ok, name} when is_atom(name) <- Keyword.fetch(fields, :__variant__),
         module when module != nil <- named(name, sums, env) do
      {module, Keyword.delete(fields, :__variant__)}
    else
      _ -> {nil, []}
    end
  end

  defp about({name, _, context}, _sums, _env) when is_atom(name) and is_atom(context) do
    {:any, []}
  end

  defp about(_pattern, _sums, _env), do: {nil, []}

  defp named(name, sums, env) do
    case for sum <- sums,
             node <- sum.__adt_variant_modules__(),
             node.__adt__(:name) == name,
             do: node do
      [node] ->
        node

      [] ->
        nil

      nodes ->
        names = Enum.map_join(nodes, ", ", &inspect/1)
        error("the variant #{name} is in several sums (#{names}); say which with `of:`", env)
    end
  end

  defp bound(node, fields) when node in [nil, :any] or fields == [], do: []

  defp bound(node, fields) do
    for {field, kind} <- node.__adt__(:rec),
        {:ok, {name, _, context} = variable} <- [Keyword.fetch(fields, field)],
        is_atom(name) and is_atom(context),
        not String.starts_with?(Atom.to_string(name), "_"),
        do: {field, kind, variable}
  end

  defp total?(nil, _fields), do: false
  defp total?(:any, _fields), do: true

  defp total?(_node, fields) do
    names = for {_, {name, _, context}} when is_atom(context) <- fields, name != :_, do: name
    Enum.all?(fields, fn {_, pattern} -> variable?(pattern) end) and names == Enum.uniq(names)
  end

  defp variable?({name, _, context}), do: is_atom(name) and is_atom(context)
  defp variable?(_pattern), do: false

  defp check_guard(nil, _bound, _env), do: :ok

  defp check_guard(guard, bound, env) do
    folded = for {_, _, {name, _, context}} <- bound, do: {name, context}

    Macro.prewalk(guard, fn
      {name, _, context} = variable when is_atom(name) and is_atom(context) ->
        if {name, context} in folded do
          error(
            "the guard uses #{name}, which stands for what the fold makes of a child; " <>
              "match the child under another name, or decide in the body",
            env
          )
        end

        variable

      other ->
        other
    end)
  end

  ## Exhaustiveness

  defp exhaustive!(clauses, env) do
    unless Enum.any?(clauses, &(&1.node == :any and &1.total?)) do
      covered = for %{total?: true, node: node} <- clauses, do: node
      named = for clause <- clauses, about_node?(clause), do: clause.node

      case reachable(named, clauses, MapSet.new()) |> Enum.reject(&(&1 in covered)) do
        [] ->
          :ok

        missing ->
          names = missing |> Enum.map(&inspect/1) |> Enum.sort() |> Enum.join(", ")

          error("this fold is not exhaustive, it has no clause that takes every: #{names}", env)
      end
    end
  end

  # Every node that the fold can come to: all variants of the sums that are named, and of the types
  # of the recursive fields that are followed.
  defp reachable([], _clauses, seen), do: MapSet.to_list(seen)

  defp reachable([node | rest], clauses, seen) do
    family = family(node.__adt__(:of))

    if Enum.all?(family, &MapSet.member?(seen, &1)) do
      reachable(rest, clauses, seen)
    else
      followed =
        for %{node: of, bound: bound} <- clauses,
            of in family,
            {field, _, _} <- bound,
            next <- targets(of, field),
            do: next

      reachable(rest ++ followed, clauses, MapSet.union(seen, MapSet.new(family)))
    end
  end

  defp family(of) do
    if sum?(of), do: of.__adt_variant_modules__(), else: [of]
  end

  defp targets(node, field) do
    %{target: candidates} = Enum.find(node.__adt__(:fields), &(&1.name == field))
    compiled = Enum.find(candidates, &match?({:module, _}, Code.ensure_compiled(&1)))

    cond do
      compiled == nil -> []
      sum?(compiled) -> compiled.__adt_variant_modules__()
      Node.node?(compiled) -> [compiled]
      true -> []
    end
  end

  ## Code

  defp flat(value, clauses) do
    {:case, [], [value, [do: Enum.map(clauses, &arrow(&1, [], &1.body))]]}
  end

  defp recursive(value, nil, clauses) do
    self = Macro.unique_var(:self, __MODULE__)
    node = Macro.unique_var(:node, __MODULE__)

    arrows =
      for clause <- clauses do
        prelude = for {_, kind, variable} <- clause.bound, do: folded(kind, variable, self)
        arrow(clause, prelude, clause.body)
      end

    quote do
      unquote(self) = fn unquote(self), unquote(node) ->
        unquote({:case, [], [quote(do: EnhancedADT.Ref.force(unquote(node))), [do: arrows]]})
      end

      unquote(self).(unquote(self), unquote(value))
    end
  end

  defp recursive(value, state, clauses) do
    self = Macro.unique_var(:self, __MODULE__)
    node = Macro.unique_var(:node, __MODULE__)
    down = Macro.unique_var(:down, __MODULE__)

    {pattern, initial} =
      case state do
        {:=, _, [pattern, initial]} -> {pattern, initial}
        initial -> {Macro.var(:state, nil), initial}
      end

    used = for variable <- variables(pattern), do: quote(do: _ = unquote(variable))

    arrows =
      for clause <- clauses do
        prelude =
          for {_, kind, variable} <- clause.bound do
            quote do
              unquote(variable) = fn unquote(down) ->
                unquote(
                  child(
                    kind,
                    variable,
                    &quote(do: unquote(self).(unquote(self), unquote(&1), unquote(down)))
                  )
                )
              end
            end
          end

        arrow(clause, used ++ prelude, clause.body)
      end

    quote do
      unquote(self) = fn unquote(self), unquote(node), unquote(pattern) ->
        unquote({:case, [], [quote(do: EnhancedADT.Ref.force(unquote(node))), [do: arrows]]})
      end

      unquote(self).(unquote(self), unquote(value), unquote(initial))
    end
  end

  defp variables(pattern) do
    {_, names} =
      Macro.prewalk(pattern, [], fn
        {name, _, context} = variable, names when is_atom(name) and is_atom(context) ->
          if String.starts_with?(Atom.to_string(name), "_"),
            do: {variable, names},
            else: {variable, [variable | names]}

        other, names ->
          {other, names}
      end)

    Enum.uniq(names)
  end

  defp folded(kind, variable, self) do
    made = child(kind, variable, &quote(do: unquote(self).(unquote(self), unquote(&1))))
    quote(do: unquote(variable) = unquote(made))
  end

  defp child(:one, variable, fold), do: fold.(variable)

  defp child(:optional, variable, fold) do
    quote(do: if(unquote(variable) == nil, do: nil, else: unquote(fold.(variable))))
  end

  defp child(:many, variable, fold) do
    item = Macro.unique_var(:item, __MODULE__)
    quote(do: for(unquote(item) <- unquote(variable), do: unquote(fold.(item))))
  end

  defp arrow(clause, prelude, body) do
    head = if clause.guard, do: {:when, [], [clause.pattern, clause.guard]}, else: clause.pattern
    body = if prelude == [], do: body, else: {:__block__, [], prelude ++ [body]}
    {:->, [line: clause.line], [[head], body]}
  end

  defp error(text, env) do
    raise CompileError, file: env.file, line: env.line, description: text
  end
end
