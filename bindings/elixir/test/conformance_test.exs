defmodule WarpEngine.Native.ConformanceTest do
  # The conformance suite of all languages, ../../tests/conformance, whose README.md has the format.
  # What this package has no call of its own for is translated: a read into a buffer is `get`, whose
  # value is compared with the buffer's size; a refused operation of a batch or key of a multi-get is
  # an error of the whole call; iterators that are kept between steps are those below the streams.
  use ExUnit.Case, async: true
  import WarpEngine.Native.Support
  alias WarpEngine.Native
  alias WarpEngine.Native.{Batch, Error, Json, Links, Monitor, Nif, Placement}

  @suite Path.expand("../../../tests/conformance", __DIR__)
  @files @suite |> Path.join("*.json") |> Path.wildcard() |> Enum.sort()

  @page_bytes 65_536
  # The default of open/2, by which option/2 tells whether an option was refused.
  @unknown :no_such_option

  @statuses %{
    "WARP_OK" => {:ok, 0},
    "WARP_NOT_FOUND" => {:not_found, 1},
    "WARP_BUFFER_TOO_SMALL" => {:buffer_too_small, 2},
    "WARP_CONFLICT" => {:conflict, 3},
    "WARP_WOULD_BLOCK" => {:would_block, 4},
    "WARP_UNCHANGED" => {:unchanged, 5},
    "WARP_ERR_INVALID_ARGUMENT" => {:invalid_argument, -1},
    "WARP_ERR_IO" => {:io, -2},
    "WARP_ERR_CORRUPTION" => {:corruption, -3},
    "WARP_ERR_BUSY" => {:busy, -4},
    "WARP_ERR_TIMEOUT" => {:timeout, -5},
    "WARP_ERR_NO_SPACE" => {:no_space, -6},
    "WARP_ERR_READ_ONLY" => {:read_only, -7},
    "WARP_ERR_TOO_LARGE" => {:too_large, -8},
    "WARP_ERR_UNSUPPORTED" => {:unsupported, -9},
    "WARP_ERR_OUT_OF_MEMORY" => {:out_of_memory, -10},
    "WARP_ERR_INTERNAL" => {:internal, -11}
  }
  @names Map.new(@statuses, fn {name, {reason, _code}} -> {reason, name} end)

  test "there are files" do
    assert length(@files) > 20
  end

  for path <- @files do
    test Path.basename(path, ".json") do
      run_file(unquote(path))
    end
  end

  test "the reader of JSON reads what the files may hold, and refuses the rest" do
    assert Json.parse!(~S( {"a": [1, -20, null, {}], "b": []} )) ==
             {:object, [{"a", [1, -20, nil, {:object, []}]}, {"b", []}]}

    assert Json.parse!(~S("\"\\\/\b\f\n\r\t\u0000\u00e9\ud83d\ude00é")) ==
             "\"\\/\b\f\n\r\t\0é😀é"

    assert Json.parse!("[1.5, 2e3, true, false]") == [1.5, 2000.0, true, false]

    for bad <- ["", "{", "[1,]", "{\"a\" 1}", "\"\n\"", "\"\\x\"", "nul", "1 2", "{1: 2}"] do
      assert_raise ArgumentError, fn -> Json.parse!(bad) end
    end
  end

  defp run_file(path) do
    {:object, document} = path |> File.read!() |> Json.parse!()
    document = Map.new(document)

    root =
      if document["store"] == "directory" do
        root = tmp_path()
        File.mkdir!(root)
        root
      end

    state = %{root: root, dir: "db", options: [], db: nil, names: %{}}

    state =
      case document["open"] do
        nil ->
          state

        options ->
          {"WARP_OK", state} = step("open", %{"options" => options}, state)
          state
      end

    state =
      for {{:object, fields}, n} <- Enum.with_index(document["steps"]), reduce: state do
        state ->
          fields = Map.new(fields)
          where = "#{Path.basename(path)}, step #{n} #{inspect(fields, printable_limit: 80)}"

          try do
            {answer, state} = step(fields["op"], fields, state)
            expect(fields, answer)
            state
          rescue
            error in [ExUnit.AssertionError] ->
              reraise %{error | message: "#{where}: #{error.message}"}, __STACKTRACE__
          end
      end

    if state.db, do: Native.close(state.db)
  end

  defp expect(fields, answer) do
    wanted = List.wrap(Map.get(fields, "expect", "WARP_OK"))
    assert answer in wanted, "answered #{answer}, the file expects #{inspect(wanted)}"
  end

  # The name of the status that an answer stands for.
  defp status(:ok), do: "WARP_OK"
  defp status({:ok, _}), do: "WARP_OK"
  defp status(reason) when is_atom(reason), do: Map.fetch!(@names, reason)

  defp status({:error, %Error{} = error}) do
    name = Map.fetch!(@names, error.reason)
    assert @statuses[name] == {error.reason, error.status}
    name
  end

  ## Steps: each answers the name of a status and the state

  defp step("open", fields, state) do
    dir = Map.get(fields, "dir", "db")
    open(dir, options(fields["options"]), state)
  end

  defp step("close", _fields, state) do
    {status(Native.close(state.db)), %{state | db: nil}}
  end

  defp step("reopen", fields, state) do
    assert Native.close(state.db) == :ok
    options = if fields["options"], do: options(fields["options"]), else: state.options
    open(state.dir, options, %{state | db: nil})
  end

  defp step("open_second", fields, state) do
    answer = Native.open(path(state, Map.get(fields, "dir", "db")), options(fields["options"]))
    with {:ok, db} <- answer, do: Native.close(db)
    {status(answer), state}
  end

  # Set for a database that is not opened: an option behind it is refused, and the text says which
  # of the two was.
  defp step("option", fields, state) do
    option = {String.to_atom(fields["name"]), fields["value"]}
    assert {:error, error} = Native.open(:memory, [option, {@unknown, ""}])
    refused = not String.contains?(error.message, Atom.to_string(@unknown))
    {if(refused, do: status({:error, error}), else: "WARP_OK"), state}
  end

  defp step("put", fields, state) do
    {status(Native.put(state.db, key(fields), value(fields))), state}
  end

  defp step("delete", fields, state), do: {status(Native.delete(state.db, key(fields))), state}

  defp step("exists", fields, state) do
    there = Native.exists?(state.db, key(fields))
    {if(there, do: "WARP_OK", else: "WARP_NOT_FOUND"), state}
  rescue
    error in Error -> {status({:error, error}), state}
  end

  defp step("cas", fields, state) do
    [expected, desired] = for field <- ["expected", "desired"], do: optional(fields[field])
    {status(Native.compare_and_swap(state.db, key(fields), expected, desired)), state}
  end

  defp step("get", fields, state) do
    {compare(fields, Native.get(state.db, key(fields))), state}
  end

  defp step("get_pinned", fields, state) do
    {compare(fields, Native.get(state.db, key(fields), zero_copy: true)), state}
  end

  defp step(op, fields, state) when op in ["get_into", "get_nowait"] do
    case Native.get(state.db, key(fields)) do
      {:ok, value} ->
        assert byte_size(value) == fields["length"]
        fits = byte_size(value) <= fields["capacity"]
        {if(fits, do: compare(fields, {:ok, value}), else: "WARP_BUFFER_TOO_SMALL"), state}

      answer ->
        {status(answer), state}
    end
  end

  # A read makes a binary here, whose length is compared with the capacity; and it does not wait on the
  # scheduler, but on another one if it must.
  defp step(op, fields, state) when op in ["get_if_changed", "get_if_changed_nowait"] do
    known = if fields["known"], do: Map.fetch!(state.names, fields["known"]), else: 0

    case Native.get_if_changed(state.db, key(fields), known) do
      {:ok, value, revision} ->
        assert revision not in [0, known]
        assert byte_size(value) == fields["length"]
        state = if fields["as"], do: name(state, fields, revision), else: state
        fits = byte_size(value) <= fields["capacity"]
        {if(fits, do: compare(fields, {:ok, value}), else: "WARP_BUFFER_TOO_SMALL"), state}

      answer ->
        {status(answer), state}
    end
  end

  defp step("pin", fields, state) do
    case Native.get(state.db, key(fields), zero_copy: true) do
      {:ok, value} -> {compare(fields, {:ok, value}), name(state, fields, value)}
      answer -> {status(answer), state}
    end
  end

  defp step("pinned", fields, state) do
    {compare(fields, Map.fetch(state.names, fields["as"])), state}
  end

  defp step("release", fields, state) do
    assert is_map_key(state.names, fields["as"])
    {"WARP_OK", %{state | names: Map.delete(state.names, fields["as"])}}
  end

  # One refused key is an error of the whole call here, so those are tried first, then the others
  # are asked for without them.
  defp step("multi_get", fields, state) do
    answers = for {:object, answer} <- fields["answers"], do: Map.new(answer)
    assert length(answers) == length(fields["keys"])
    pairs = Enum.zip(Enum.map(fields["keys"], &decode/1), answers)
    {refused, others} = Enum.split_with(pairs, fn {_, answer} -> error?(answer["expect"]) end)

    for {key, answer} <- refused do
      expect(answer, status(Native.multi_get(state.db, ["k", key])))
    end

    case Native.multi_get(state.db, Enum.map(others, &elem(&1, 0)), zero_copy: true) do
      {:ok, values} ->
        for {value, {_, answer}} <- Enum.zip(values, others) do
          expect(answer, if(value, do: compare(answer, {:ok, value}), else: "WARP_NOT_FOUND"))
        end

        {"WARP_OK", state}

      answer ->
        {status(answer), state}
    end
  end

  # An operation that is to be refused is written alone, the others together.
  defp step("batch", fields, state) do
    operations = for {:object, operation} <- fields["ops"], do: Map.new(operation)
    {refused, others} = Enum.split_with(operations, &error?(&1["expect"]))
    for one <- refused, do: expect(one, status(Native.write(state.db, [operation(one)])))
    batch = Batch.new(Enum.map(others, &operation/1))
    if fields["count"], do: assert(Batch.count(batch) == fields["count"])
    {status(Native.write(state.db, batch)), state}
  end

  # The count only says which scheduler is for it.
  defp step("write_encoded", fields, state) do
    {status(Nif.write(state.db.ref, decode(fields["bytes"]), 1)), state}
  end

  defp step("iterate", fields, state) do
    entries = state.db |> Native.stream(prefix: decode(fields["prefix"])) |> Enum.to_list()
    compare_entries(fields, entries)
    {"WARP_OK", state}
  end

  # A page grows here until an entry fits; whether one is over the size of the file is known.
  defp step("pages", fields, state) do
    room = fields["buffer"]
    options = [prefix: decode(fields["prefix"]), page_bytes: max(room, 1)]
    entries = state.db |> Native.stream(options) |> Enum.to_list()

    if Enum.any?(entries, fn {key, value} -> 8 + byte_size(key) + byte_size(value) > room end) do
      {"WARP_BUFFER_TOO_SMALL", state}
    else
      compare_entries(fields, entries)
      {"WARP_OK", state}
    end
  end

  defp step("iter_open", fields, state) do
    {:ok, iter} = Nif.iter_new(state.db.ref, decode(fields["prefix"]))
    {"WARP_OK", name(state, fields, iter)}
  end

  defp step("iter_rest", fields, state) do
    {iter, names} = Map.pop!(state.names, fields["as"])
    compare_entries(fields, rest(iter))
    Nif.iter_close(iter)
    {"WARP_OK", %{state | names: names}}
  end

  defp step("sync", _fields, state), do: {status(Native.sync(state.db)), state}
  defp step("checkpoint", _fields, state), do: {status(Native.checkpoint(state.db)), state}
  defp step("compact", _fields, state), do: {status(Native.compact(state.db)), state}

  defp step("backup", fields, state) do
    {status(Native.backup(state.db, path(state, fields["dir"]))), state}
  end

  defp step("token", fields, state) do
    {:ok, token} = Native.token(state.db)
    {"WARP_OK", name(state, fields, token)}
  end

  defp step("wait_durable", fields, state) do
    token = Map.fetch!(state.names, fields["token"])
    {status(Native.wait_durable(state.db, token, fields["timeout_ms"])), state}
  end

  defp step("is_durable", fields, state) do
    durable = Native.durable?(state.db, Map.fetch!(state.names, fields["token"]))
    {if(durable, do: "WARP_OK", else: "WARP_WOULD_BLOCK"), state}
  end

  defp step("stats", fields, state) do
    stats = Map.new(Native.stats!(state.db), fn {name, n} -> {Atom.to_string(name), n} end)
    for {name, n} <- pairs(fields["fields"]), do: assert({name, stats[name]} == {name, n})
    for {name, n} <- pairs(fields["at_least"]), do: assert(Map.fetch!(stats, name) >= n)
    {"WARP_OK", state}
  end

  defp step("stats_json", _fields, state) do
    assert {:ok, text} = Native.stats_json(state.db)
    assert {:object, [_ | _]} = Json.parse!(text)
    {"WARP_OK", state}
  end

  defp step("status", fields, state) do
    assert {_reason, code} = @statuses[fields["name"]]
    assert code == fields["code"]
    {"WARP_OK", state}
  end

  defp step("put_hinted", fields, state) do
    # The package has no other hints.
    case [nil, :hot, :warm, :cold] |> Enum.at(fields["hint"]) do
      nil -> {"WARP_ERR_INVALID_ARGUMENT", state}
      hint -> {status(Native.put(state.db, key(fields), value(fields), hint: hint)), state}
    end
  end

  # Reads do not wait on the scheduler, but on another one if they must.
  defp step("get_pinned_nowait", fields, state), do: step("get_pinned", fields, state)
  defp step("exists_nowait", fields, state), do: step("exists", fields, state)

  defp step("add_rule", fields, state) do
    rule = rule(fields)
    options = [place: rule.place, link: rule.link]
    {status(Placement.add_rule(state.db, rule.patterns, options)), state}
  end

  defp step("remove_rule", fields, state) do
    {status(Placement.remove_rule(state.db, decode(fields["pattern"]))), state}
  end

  defp step("rules", fields, state) do
    wanted = for {:object, rule} <- fields["rules"], do: rule(Map.new(rule))
    assert Placement.rules(state.db) == {:ok, wanted}
    {"WARP_OK", state}
  end

  defp step("same_shard", fields, state) do
    shards = for form <- fields["keys"], do: Placement.shard_of!(state.db, decode(form))
    assert length(Enum.uniq(shards)) == 1, "the keys are in the shards #{inspect(shards)}"
    {"WARP_OK", state}
  end

  defp step("shard_of", fields, state) do
    answer = Placement.shard_of(state.db, key(fields))
    with {:ok, shard} <- answer, do: assert(shard == fields["shard"])
    {status(answer), state}
  end

  defp step("shard_cpu", fields, state) do
    {status(Placement.shard_cpu(state.db, fields["shard"])), state}
  end

  defp step("move_slots", fields, state) do
    slots = Enum.take(Stream.iterate(fields["first"], &(&1 + 1)), fields["count"])

    answer =
      Enum.reduce_while(slots, :ok, fn slot, :ok ->
        case Placement.move_slot(state.db, slot, fields["shard"]) do
          :ok -> {:cont, :ok}
          error -> {:halt, error}
        end
      end)

    {status(answer), state}
  end

  defp step("rebalance", fields, state) do
    answer = Placement.rebalance(state.db)

    with {:ok, moved} <- answer do
      least = fields["at_least"]
      assert if(least, do: moved >= least, else: moved == fields["moved"]), "#{moved} were moved"
    end

    {status(answer), state}
  end

  defp step("link", fields, state) do
    {from, to} = ends(fields)
    {status(Links.link(state.db, from, to, fields["strength"])), state}
  end

  defp step("unlink", fields, state) do
    {from, to} = ends(fields)
    {status(Links.unlink(state.db, from, to)), state}
  end

  defp step("get_linked", fields, state) do
    answer = Links.get_linked(state.db, key(fields))

    with {:ok, linked} <- answer do
      wanted =
        for [key, value, strength] <- fields["linked"], do: {decode(key), decode(value), strength}

      assert Enum.map(linked, &elem(&1, 0)) == Enum.map(wanted, &elem(&1, 0))

      for {{key, value, strength}, wanted} <- Enum.zip(linked, wanted) do
        assert value == elem(wanted, 1), "value of #{brief(key)}: #{brief(value)}"
        assert strength == elem(wanted, 2), "strength of #{brief(key)}: #{strength}"
      end

      assert Links.partners(state.db, key(fields)) ==
               {:ok, for({key, _value, strength} <- tl(linked), do: {key, strength})}
    end

    {status(answer), state}
  end

  defp step("partners", fields, state) do
    answer = Links.all(state.db, key(fields))

    with {:ok, partners} <- answer do
      assert partners == for([key, strength] <- fields["partners"], do: {decode(key), strength})
    end

    {status(answer), state}
  end

  defp step("events", fields, state) do
    assert {:ok, {events, next}} = Monitor.events(state.db, fields["from"])
    assert Enum.map(events, &to_string(&1.kind)) == fields["kinds"]
    assert next == fields["next"]
    {"WARP_OK", state}
  end

  defp step("openmetrics", fields, state) do
    assert {:ok, text} = Monitor.openmetrics(state.db)
    lines = String.split(text, "\n")
    for line <- fields["lines"], do: assert(line in lines, "the text lacks the line #{line}")
    assert String.ends_with?(text, "\n# EOF\n")
    {"WARP_OK", state}
  end

  ## Parts of steps

  defp rule(fields) do
    flags = fields["flags"]
    patterns = Enum.map(fields["patterns"], &decode/1)
    %{patterns: patterns, place: Bitwise.band(flags, 1) != 0, link: Bitwise.band(flags, 2) != 0}
  end

  defp ends(fields), do: {decode(fields["from"]), decode(fields["to"])}

  defp open(dir, options, state) do
    assert state.db == nil

    case Native.open(path(state, dir), options) do
      {:ok, db} -> {"WARP_OK", %{state | db: db, dir: dir, options: options}}
      answer -> {status(answer), state}
    end
  end

  defp options(object), do: for({name, value} <- pairs(object), do: {String.to_atom(name), value})

  defp path(%{root: nil}, _dir), do: :memory
  defp path(%{root: root}, dir), do: Path.join(root, dir)

  defp name(state, fields, thing), do: put_in(state.names[fields["as"]], thing)

  defp error?(expect), do: is_binary(expect) and String.starts_with?(expect, "WARP_ERR_")

  defp operation(%{"op" => "put"} = fields), do: {:put, key(fields), value(fields)}
  defp operation(%{"op" => "delete"} = fields), do: {:delete, key(fields)}

  defp compare(fields, {:ok, value}) do
    wanted = value(fields)
    assert value == wanted, "value: #{brief(value)}, the file says #{brief(wanted)}"
    "WARP_OK"
  end

  defp compare(_fields, answer), do: status(answer)

  defp compare_entries(fields, entries) do
    wanted = for [key, value] <- fields["entries"], do: {decode(key), decode(value)}
    assert Enum.sort(entries) == Enum.sort(wanted), "the entries differ"
  end

  defp rest(iter) do
    case Nif.iter_next_page(iter, @page_bytes) do
      {:ok, page} -> entries(page) ++ rest(iter)
      :done -> []
    end
  end

  defp entries(
         <<k::32-little, v::32-little, key::binary-size(k), value::binary-size(v), rest::binary>>
       ) do
    [{key, value} | entries(rest)]
  end

  defp entries(<<>>), do: []

  defp pairs(nil), do: []
  defp pairs({:object, pairs}), do: pairs

  defp key(fields), do: decode(Map.fetch!(fields, "key"))
  defp value(fields), do: decode(Map.fetch!(fields, "value"))

  defp optional(nil), do: nil
  defp optional(form), do: decode(form)

  # The bytes of one of the four forms.
  defp decode(text) when is_binary(text), do: text
  defp decode({:object, [{"hex", digits}]}), do: Base.decode16!(digits, case: :lower)

  defp decode({:object, [{"repeat", [digits, count]}]}) do
    :binary.copy(Base.decode16!(digits, case: :lower), count)
  end

  defp decode({:object, [{"concat", forms}]}) do
    forms |> Enum.map(&decode/1) |> IO.iodata_to_binary()
  end

  defp brief(bytes),
    do: "#{byte_size(bytes)} bytes #{inspect(bytes, limit: 40, printable_limit: 40)}"
end
