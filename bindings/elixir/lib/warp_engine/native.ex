defmodule WarpEngine.Native do
  @moduledoc """
  WarpEngine in process: an embedded, sharded, log-structured key-value engine.

      iex> {:ok, db} = WarpEngine.Native.open(:memory)
      iex> WarpEngine.Native.put(db, "planet", "earth")
      :ok
      iex> WarpEngine.Native.get(db, "planet")
      {:ok, "earth"}
      iex> WarpEngine.Native.close(db)
      :ok

  Keys are binaries of 1 to 65,535 bytes, values up to 1 GiB; any bytes will do. Values given are
  iodata, values got are binaries. Any Erlang term can be kept with `put_term/4` and `get_term/3`.

  ## Answers

  `:ok`, `{:ok, value}` or a boolean when it went well, `:not_found` when there is no such key,
  `{:error, %WarpEngine.Native.Error{}}` otherwise. Bang variants give the bare value and raise
  the rest. Arguments of the wrong type raise.

  ## Processes

  A handle may be used by any number of processes at once; no process stands between a caller and
  the engine. It may be sent, stored, and put into a `:persistent_term`. `child_spec/1` gives a
  supervised database whose name can stand wherever a handle can.

  A handle that nobody refers to any more is closed in the background some time after it was
  garbage collected. Until then its directory stays locked, so close what you open.

  ## Schedulers

  Calls run on the caller's own scheduler as long as they only touch memory, and move to a dirty
  I/O scheduler before they would wait:

  | call | inline | dirty I/O |
  | --- | --- | --- |
  | `get`, `get_unless`, `get_if_changed`, `exists?` | value in memory, up to 256 KiB (64 KiB of an older value) | value on the disk, or larger |
  | `get` with `zero_copy: true` | value in memory, of any size | value on the disk |
  | `multi_get` | up to 16 keys in memory, 256 KiB copied in all | more, or on the disk |
  | `put`, `delete`, `compare_and_swap` | up to 16 KiB | larger, or where the write would wait |
  | `write` | about 1,000 small operations, or 650 of 1 KiB | more, or where the write would wait |
  | `token`, `durable?`, `shard_of`, `shard_cpu` | always | |
  | all others | | always |

  An older value is one that was there when the database was opened: each read of it is verified.
  A write waits with `durability: :sync`, while compaction has writers held back, while rules change
  or slots move, and for what it overwrites where that is on the disk. Of a batch of more than 16
  operations that is taken for granted once memory is short, or if there were data at the open.

  The emulator starts 10 dirty I/O schedulers. A program in which more processes wait for syncs at
  once starts it with more: `elixir --erl "+SDio 64"`.
  """

  alias WarpEngine.Native.{Answer, Batch, Error, Nif, Options, Server}

  @enforce_keys [:ref, :path]
  defstruct [:ref, :path]

  @opaque t :: %__MODULE__{ref: reference, path: :memory | String.t()}

  @typedoc "A handle, or the name of a supervised database."
  @type db :: t | atom

  @type key :: binary
  @type value :: binary
  @type error :: {:error, Error.t()}

  @typedoc "Tells a value of a key from every other, see `get_if_changed/3`."
  @type revision :: non_neg_integer

  @typedoc "Stands for all writes that were acknowledged before `token/1` gave it."
  @type token :: non_neg_integer

  @typedoc """
  Options of reads.

    * `:zero_copy` - answer large values (16 KiB and more) with binaries that point into the
      engine's memory. Nothing is copied, and the bytes never change; but each keeps a segment of
      the database in memory as long as the binary, or a part of it, is referred to. Default
      `false`.
  """
  @type read_option :: {:zero_copy, boolean}

  @typedoc """
  Options of puts.

    * `:hint` - how long the value will stay: `:hot` if it will soon be overwritten or deleted,
      `:cold` if it will stay for long, `:warm` (default) if nobody knows. Cold values get segments
      of their own, so that compaction need not move them out of the way of hot ones. A hint
      changes no answer and no promise.
  """
  @type write_option :: {:hint, :hot | :warm | :cold}

  ## Opening and closing

  @doc """
  Opens the database in the directory `path`, or one in memory, which is gone at close.

  The options are those of `WarpEngine.Native.Options`.

      iex> {:ok, db} = WarpEngine.Native.open(:memory, shards: 4, durability: :process)
      iex> {:ok, stats} = WarpEngine.Native.stats(db)
      iex> is_integer(stats.shards)
      true

      iex> {:error, error} = WarpEngine.Native.open(:memory, colour: :blue)
      iex> error.reason
      :invalid_argument
  """
  @spec open(Path.t() | :memory, Options.t()) :: {:ok, t} | error
  def open(path, options \\ []) do
    path = if path == :memory, do: :memory, else: IO.chardata_to_string(path)

    with {:ok, pairs} <- Options.encode(options),
         {:ok, ref} <- Nif.open(path, pairs) do
      {:ok, %__MODULE__{ref: ref, path: path}}
    end
  end

  @doc """
  `open/2` that raises.

      iex> db = WarpEngine.Native.open!(:memory)
      iex> WarpEngine.Native.close(db)
      :ok
  """
  @spec open!(Path.t() | :memory, Options.t()) :: t
  def open!(path, options \\ []), do: Answer.value!(open(path, options))

  @doc """
  Syncs, checkpoints and closes.

  Waits until calls that other processes are in the middle of have ended; calls that come later
  get an error whose reason is `:closed`. Closing again is `:ok`. Streams and zero-copy values
  that are still around stay usable.

      iex> db = WarpEngine.Native.open!(:memory)
      iex> {WarpEngine.Native.close(db), WarpEngine.Native.close(db)}
      {:ok, :ok}
      iex> {:error, error} = WarpEngine.Native.get(db, "key")
      iex> error.reason
      :closed
  """
  @spec close(db) :: :ok | error
  def close(db), do: Nif.close(ref(db))

  @doc """
  A child specification, for a database that lives as long as its supervisor.

  `:name` (default `WarpEngine.Native`) and `:path` (required) are taken out, the other options
  are those of `open/2`.

      iex> {:ok, _} = Supervisor.start_link([{WarpEngine.Native, name: Cache, path: :memory}], strategy: :one_for_one)
      iex> WarpEngine.Native.put(Cache, "key", "value")
      :ok
      iex> WarpEngine.Native.get(Cache, "key")
      {:ok, "value"}
  """
  @spec child_spec(keyword) :: Supervisor.child_spec()
  defdelegate child_spec(options), to: Server

  @doc """
  Starts a supervised database; see `child_spec/1`.

      iex> {:ok, pid} = WarpEngine.Native.start_link(name: :sessions, path: :memory)
      iex> WarpEngine.Native.exists?(:sessions, "key")
      false
      iex> GenServer.stop(pid)
      :ok
  """
  @spec start_link(keyword) :: GenServer.on_start()
  defdelegate start_link(options), to: Server

  @doc """
  The handle of a supervised database. A loop that calls often saves the look-up of the name.

      iex> {:ok, _} = WarpEngine.Native.start_link(name: :pages, path: :memory)
      iex> WarpEngine.Native.put(WarpEngine.Native.handle!(:pages), "key", "value")
      :ok
  """
  @spec handle!(atom) :: t
  def handle!(name) when is_atom(name), do: Server.handle!(name)

  @doc """
  Version of the engine.

      iex> WarpEngine.Native.version() =~ ~r/^\\d+\\.\\d+\\.\\d+/
      true
  """
  @spec version() :: String.t()
  def version, do: Nif.version()

  ## Reading

  @doc """
  The value of `key`.

      iex> db = WarpEngine.Native.open!(:memory)
      iex> WarpEngine.Native.put(db, <<0, 255>>, "any bytes")
      iex> WarpEngine.Native.get(db, <<0, 255>>)
      {:ok, "any bytes"}
      iex> WarpEngine.Native.get(db, "nothing here")
      :not_found
  """
  @spec get(db, key) :: {:ok, value} | :not_found | error
  def get(db, key) when is_binary(key), do: Nif.get(ref(db), key, false)

  @doc """
  `get/2` with options.

      iex> db = WarpEngine.Native.open!(:memory)
      iex> WarpEngine.Native.put(db, "large", :binary.copy("x", 100_000))
      iex> {:ok, value} = WarpEngine.Native.get(db, "large", zero_copy: true)
      iex> byte_size(value)
      100000
  """
  @spec get(db, key, [read_option]) :: {:ok, value} | :not_found | error
  def get(db, key, options) when is_binary(key), do: Nif.get(ref(db), key, zero_copy(options))

  @doc """
  `get/3` that gives the bare value, and raises when there is none.

      iex> db = WarpEngine.Native.open!(:memory)
      iex> WarpEngine.Native.put(db, "key", "value")
      iex> WarpEngine.Native.get!(db, "key")
      "value"
      iex> WarpEngine.Native.get!(db, "other")
      ** (WarpEngine.Native.Error) key not found: "other"
  """
  @spec get!(db, key, [read_option]) :: value
  def get!(db, key, options \\ []), do: Answer.value!(get(db, key, options), key)

  @doc """
  The value of `key`, or `:unchanged` if it is `known`, byte for byte.

  For those who keep what they made of a value: as long as the answer is `:unchanged`, what they
  keep is what the database holds. The comparison makes no term of the value, so it takes less
  than `get/2`.

      iex> db = WarpEngine.Native.open!(:memory)
      iex> WarpEngine.Native.put(db, "key", "value")
      iex> WarpEngine.Native.get_unless(db, "key", "value")
      :unchanged
      iex> WarpEngine.Native.get_unless(db, "key", "another")
      {:ok, "value"}
      iex> WarpEngine.Native.get_unless(db, "nothing here", "value")
      :not_found
  """
  @spec get_unless(db, key, value) :: :unchanged | {:ok, value} | :not_found | error
  def get_unless(db, key, known) when is_binary(key) and is_binary(known) do
    Nif.get_unless(ref(db), key, known)
  end

  @doc """
  The value of a key with its revision, unless the revision is still the one that an earlier call
  gave; 0 is none. What is unchanged is not copied, nor looked at: it costs the look-up alone.

  For callers that keep what they made of a value. A revision belongs to one value, from its put
  until the next write of the key, and to this opening of the database: after that every value
  counts as changed, once.

      iex> db = WarpEngine.Native.open!(:memory)
      iex> WarpEngine.Native.put(db, "key", "value")
      iex> {:ok, "value", revision} = WarpEngine.Native.get_if_changed(db, "key", 0)
      iex> WarpEngine.Native.get_if_changed(db, "key", revision)
      :unchanged
      iex> WarpEngine.Native.put(db, "key", "value")
      iex> {:ok, "value", another} = WarpEngine.Native.get_if_changed(db, "key", revision)
      iex> another == revision
      false
  """
  @spec get_if_changed(db, key, revision) ::
          :unchanged | {:ok, value, revision} | :not_found | error
  def get_if_changed(db, key, revision) when is_binary(key) and is_integer(revision) do
    Nif.get_if_changed(ref(db), key, revision)
  end

  @doc """
  The values of many keys in their order, `nil` where there is none.

  From about 16 keys on it is faster than single calls, the more so the larger the data: the
  engine overlaps the memory accesses.

      iex> db = WarpEngine.Native.open!(:memory)
      iex> WarpEngine.Native.put(db, "a", "1")
      iex> WarpEngine.Native.put(db, "c", "3")
      iex> WarpEngine.Native.multi_get(db, ["a", "b", "c"])
      {:ok, ["1", nil, "3"]}
  """
  @spec multi_get(db, [key], [read_option]) :: {:ok, [value | nil]} | error
  def multi_get(db, keys, options \\ []) when is_list(keys) do
    Nif.multi_get(ref(db), keys, zero_copy(options))
  end

  @doc """
  `multi_get/3` that raises.

      iex> db = WarpEngine.Native.open!(:memory)
      iex> WarpEngine.Native.multi_get!(db, ["a"])
      [nil]
  """
  @spec multi_get!(db, [key], [read_option]) :: [value | nil]
  def multi_get!(db, keys, options \\ []), do: Answer.value!(multi_get(db, keys, options))

  @doc """
  Whether `key` exists. Raises when the engine cannot say.

      iex> db = WarpEngine.Native.open!(:memory)
      iex> WarpEngine.Native.put(db, "key", "")
      iex> {WarpEngine.Native.exists?(db, "key"), WarpEngine.Native.exists?(db, "other")}
      {true, false}
  """
  @spec exists?(db, key) :: boolean
  def exists?(db, key) when is_binary(key), do: Answer.value!(Nif.exists(ref(db), key))

  ## Writing

  @doc """
  Stores `value` under `key`.

      iex> db = WarpEngine.Native.open!(:memory)
      iex> WarpEngine.Native.put(db, "key", ["io", ?d, ["ata"]])
      :ok
      iex> WarpEngine.Native.get(db, "key")
      {:ok, "iodata"}
  """
  @spec put(db, key, iodata) :: :ok | error
  def put(db, key, value) when is_binary(key) and is_binary(value) do
    Nif.put(ref(db), key, value)
  end

  # Flattened here and not in C: the built-in yields when there is much to flatten.
  def put(db, key, value) when is_binary(key) do
    Nif.put(ref(db), key, IO.iodata_to_binary(value))
  end

  @doc """
  `put/3` with options.

      iex> db = WarpEngine.Native.open!(:memory)
      iex> WarpEngine.Native.put(db, "log:2024-01-01", "opened", hint: :cold)
      :ok
      iex> WarpEngine.Native.get(db, "log:2024-01-01")
      {:ok, "opened"}
  """
  @spec put(db, key, iodata, [write_option]) :: :ok | error
  def put(db, key, value, []), do: put(db, key, value)

  def put(db, key, value, options) when is_binary(key) do
    Nif.put_hinted(ref(db), key, IO.iodata_to_binary(value), hint(options))
  end

  @doc """
  `put/4` that raises.

      iex> db = WarpEngine.Native.open!(:memory)
      iex> WarpEngine.Native.put!(db, "key", "value")
      :ok
      iex> WarpEngine.Native.put!(db, "", "value")
      ** (WarpEngine.Native.Error) the key is empty; keys are 1 to 65535 bytes
  """
  @spec put!(db, key, iodata, [write_option]) :: :ok
  def put!(db, key, value, options \\ []), do: Answer.value!(put(db, key, value, options))

  @doc """
  Deletes `key`.

      iex> db = WarpEngine.Native.open!(:memory)
      iex> WarpEngine.Native.put(db, "key", "value")
      iex> {WarpEngine.Native.delete(db, "key"), WarpEngine.Native.delete(db, "key")}
      {:ok, :not_found}
  """
  @spec delete(db, key) :: :ok | :not_found | error
  def delete(db, key) when is_binary(key), do: Nif.delete(ref(db), key)

  @doc """
  `delete/2` that raises errors. That there was nothing to delete is none.

      iex> db = WarpEngine.Native.open!(:memory)
      iex> WarpEngine.Native.delete!(db, "key")
      :not_found
  """
  @spec delete!(db, key) :: :ok | :not_found
  def delete!(db, key) do
    with {:error, error} <- delete(db, key), do: raise(error)
  end

  @doc """
  Stores `desired` if the value is `expected`, as one step. `nil` stands for "no value" on
  either side: expected, the key must not exist; desired, it is deleted.

      iex> db = WarpEngine.Native.open!(:memory)
      iex> WarpEngine.Native.compare_and_swap(db, "lock", nil, "mine")
      :ok
      iex> WarpEngine.Native.compare_and_swap(db, "lock", nil, "yours")
      :conflict
      iex> WarpEngine.Native.compare_and_swap(db, "lock", "mine", nil)
      :ok
      iex> WarpEngine.Native.exists?(db, "lock")
      false
  """
  @spec compare_and_swap(db, key, iodata | nil, iodata | nil) :: :ok | :conflict | error
  def compare_and_swap(db, key, expected, desired) when is_binary(key) do
    Nif.compare_and_swap(ref(db), key, binary_or_nil(expected), binary_or_nil(desired))
  end

  @doc """
  `compare_and_swap/4` that raises, a conflict too.

      iex> db = WarpEngine.Native.open!(:memory)
      iex> WarpEngine.Native.compare_and_swap!(db, "key", nil, "value")
      :ok
      iex> WarpEngine.Native.compare_and_swap!(db, "key", "other", "value")
      ** (WarpEngine.Native.Error) another value was there: "key"
  """
  @spec compare_and_swap!(db, key, iodata | nil, iodata | nil) :: :ok
  def compare_and_swap!(db, key, expected, desired) do
    Answer.value!(compare_and_swap(db, key, expected, desired), key)
  end

  @doc """
  Writes a batch, or a list of operations: all of them or none, whatever crashes.

      iex> db = WarpEngine.Native.open!(:memory)
      iex> WarpEngine.Native.write(db, [{:put, "a", "1"}, {:put, "b", "2"}, {:delete, "a"}])
      :ok
      iex> WarpEngine.Native.multi_get(db, ["a", "b"])
      {:ok, [nil, "2"]}
  """
  @spec write(db, Batch.t() | [Batch.operation()]) :: :ok | error
  def write(db, %Batch{} = batch) do
    Nif.write(ref(db), Batch.to_binary(batch), Batch.count(batch))
  end

  def write(db, operations) when is_list(operations) do
    case Nif.write_list(ref(db), operations) do
      # Says what is wrong with it.
      :invalid_argument -> write(db, Batch.new(operations))
      answer -> answer
    end
  end

  @doc """
  `write/2` that raises.

      iex> db = WarpEngine.Native.open!(:memory)
      iex> WarpEngine.Native.write!(db, [{:put, "key", "value"}])
      :ok
  """
  @spec write!(db, Batch.t() | [Batch.operation()]) :: :ok
  def write!(db, batch), do: Answer.value!(write(db, batch))

  ## Terms

  @doc """
  Stores any term, in the external term format. `options` are those of `:erlang.term_to_binary/2`.

      iex> db = WarpEngine.Native.open!(:memory)
      iex> WarpEngine.Native.put_term(db, "user:1", %{name: "Ada", tags: [:new]})
      :ok
      iex> WarpEngine.Native.get_term(db, "user:1")
      {:ok, %{name: "Ada", tags: [:new]}}
  """
  @spec put_term(db, key, term, list) :: :ok | error
  def put_term(db, key, term, options \\ []) do
    put(db, key, :erlang.term_to_binary(term, options))
  end

  @doc """
  `put_term/4` that raises.

      iex> db = WarpEngine.Native.open!(:memory)
      iex> WarpEngine.Native.put_term!(db, "list", Enum.to_list(1..1000), [:compressed])
      :ok
  """
  @spec put_term!(db, key, term, list) :: :ok
  def put_term!(db, key, term, options \\ []), do: Answer.value!(put_term(db, key, term, options))

  @doc """
  The term that `put_term/4` stored.

    * `safe: true` refuses what could fill the emulator with new atoms or functions. Use it for
      what somebody else may have written.

  Bytes that are no term, or not a safe one, are an error whose reason is `:invalid_term`.

      iex> db = WarpEngine.Native.open!(:memory)
      iex> WarpEngine.Native.put_term(db, "pair", {1, 2})
      iex> WarpEngine.Native.get_term(db, "pair", safe: true)
      {:ok, {1, 2}}
      iex> WarpEngine.Native.put(db, "raw", "no term")
      iex> {:error, error} = WarpEngine.Native.get_term(db, "raw")
      iex> error.reason
      :invalid_term
  """
  @spec get_term(db, key, safe: boolean) :: {:ok, term} | :not_found | error
  def get_term(db, key, options \\ []) do
    how = if Keyword.get(options, :safe, false), do: [:safe], else: []
    with {:ok, bytes} <- get(db, key), do: decode(key, bytes, how)
  end

  @doc """
  `get_term/3` that gives the bare term, and raises when there is none.

      iex> db = WarpEngine.Native.open!(:memory)
      iex> WarpEngine.Native.put_term(db, "pair", {1, 2})
      iex> WarpEngine.Native.get_term!(db, "pair")
      {1, 2}
  """
  @spec get_term!(db, key, safe: boolean) :: term
  def get_term!(db, key, options \\ []), do: Answer.value!(get_term(db, key, options), key)

  ## Iterating

  @doc """
  A stream of `{key, value}`, in no particular order: each key exactly once that exists from the
  first element taken to the last.

    * `:prefix` - only keys that begin with it. Default: all.
    * `:page_bytes` - how much to read at a time. Default 64 KiB.

  Each enumeration opens an iterator of its own and closes it at its end. Keys and values are
  parts of the page they came in: use `:binary.copy/1` on what you keep for long.

      iex> db = WarpEngine.Native.open!(:memory)
      iex> WarpEngine.Native.write(db, [{:put, "user:1", "Ada"}, {:put, "user:2", "Grace"}, {:put, "page:1", "Home"}])
      iex> db |> WarpEngine.Native.stream(prefix: "user:") |> Enum.sort()
      [{"user:1", "Ada"}, {"user:2", "Grace"}]
  """
  @spec stream(db, prefix: binary, page_bytes: pos_integer) :: Enumerable.t()
  def stream(db, options \\ []), do: WarpEngine.Native.Stream.new(ref(db), options)

  ## Durability and upkeep

  @doc """
  Returns once everything acknowledged before the call is on the device.

      iex> db = WarpEngine.Native.open!(:memory)
      iex> WarpEngine.Native.sync(db)
      :ok
  """
  @spec sync(db) :: :ok | error
  def sync(db), do: Nif.sync(ref(db))

  @doc """
  `sync/1` that raises.

      iex> WarpEngine.Native.sync!(WarpEngine.Native.open!(:memory))
      :ok
  """
  @spec sync!(db) :: :ok
  def sync!(db), do: Answer.value!(sync(db))

  @doc """
  A token that covers every write acknowledged before the call. So a process writes thousands of
  keys and waits once.

      iex> db = WarpEngine.Native.open!(:memory)
      iex> WarpEngine.Native.put(db, "key", "value")
      iex> {:ok, token} = WarpEngine.Native.token(db)
      iex> WarpEngine.Native.wait_durable(db, token)
      :ok
  """
  @spec token(db) :: {:ok, token} | error
  def token(db), do: Nif.token(ref(db))

  @doc """
  `token/1` that raises.

      iex> is_integer(WarpEngine.Native.token!(WarpEngine.Native.open!(:memory)))
      true
  """
  @spec token!(db) :: token
  def token!(db), do: Answer.value!(token(db))

  @doc """
  Returns once the writes of `token` are on the device, starting a sync if none is due. After
  `timeout` milliseconds it is an error whose reason is `:timeout`.

  The wait takes up a dirty I/O scheduler, and `close/1` waits for it.

      iex> db = WarpEngine.Native.open!(:memory)
      iex> WarpEngine.Native.wait_durable(db, WarpEngine.Native.token!(db), 1_000)
      :ok
  """
  @spec wait_durable(db, token, 0..0xFFFFFFFF) :: :ok | error
  def wait_durable(db, token, timeout \\ 5_000)
      when is_integer(token) and timeout in 0..0xFFFFFFFF do
    Nif.wait_durable(ref(db), token, timeout)
  end

  @doc """
  Whether the writes of `token` are on the device, without waiting. Raises when the engine cannot
  say.

      iex> db = WarpEngine.Native.open!(:memory)
      iex> token = WarpEngine.Native.token!(db)
      iex> WarpEngine.Native.sync(db)
      iex> WarpEngine.Native.durable?(db, token)
      true
  """
  @spec durable?(db, token) :: boolean
  def durable?(db, token) when is_integer(token),
    do: Answer.value!(Nif.is_durable(ref(db), token))

  @doc """
  Checkpoints all shards while reads and writes go on: afterwards everything acknowledged before
  the call is on the device, and a reopen replays only what came later.

      iex> WarpEngine.Native.checkpoint(WarpEngine.Native.open!(:memory))
      :ok
  """
  @spec checkpoint(db) :: :ok | error
  def checkpoint(db), do: Nif.checkpoint(ref(db))

  @doc """
  `checkpoint/1` that raises.

      iex> WarpEngine.Native.checkpoint!(WarpEngine.Native.open!(:memory))
      :ok
  """
  @spec checkpoint!(db) :: :ok
  def checkpoint!(db), do: Answer.value!(checkpoint(db))

  @doc """
  Reclaims what can be reclaimed now. The engine does so by itself; this is for the impatient.

      iex> WarpEngine.Native.compact(WarpEngine.Native.open!(:memory))
      :ok
  """
  @spec compact(db) :: :ok | error
  def compact(db), do: Nif.compact(ref(db))

  @doc """
  `compact/1` that raises.

      iex> WarpEngine.Native.compact!(WarpEngine.Native.open!(:memory))
      :ok
  """
  @spec compact!(db) :: :ok
  def compact!(db), do: Answer.value!(compact(db))

  @doc """
  A consistent copy in the directory `path`, which opens as a database of its own.

      iex> db = WarpEngine.Native.open!(:memory)
      iex> {:error, error} = WarpEngine.Native.backup(db, "no\\0good")
      iex> error.reason
      :invalid_argument
  """
  @spec backup(db, Path.t()) :: :ok | error
  def backup(db, path) do
    path = IO.chardata_to_string(path)

    if String.contains?(path, <<0>>) do
      {:error, Error.new(:invalid_argument, "the path holds a NUL byte")}
    else
      Nif.backup(ref(db), path <> <<0>>)
    end
  end

  @doc """
  `backup/2` that raises.

      iex> WarpEngine.Native.backup!(WarpEngine.Native.open!(:memory), "no\\0good")
      ** (WarpEngine.Native.Error) the path holds a NUL byte
  """
  @spec backup!(db, Path.t()) :: :ok
  def backup!(db, path), do: Answer.value!(backup(db, path))

  @doc """
  Counters and sizes.

      iex> db = WarpEngine.Native.open!(:memory)
      iex> WarpEngine.Native.put(db, "key", "value")
      iex> {:ok, stats} = WarpEngine.Native.stats(db)
      iex> stats.keys
      1
  """
  @spec stats(db) :: {:ok, %{atom => non_neg_integer}} | error
  def stats(db), do: Nif.stats(ref(db))

  @doc """
  `stats/1` that raises.

      iex> WarpEngine.Native.stats!(WarpEngine.Native.open!(:memory)).keys
      0
  """
  @spec stats!(db) :: %{atom => non_neg_integer}
  def stats!(db), do: Answer.value!(stats(db))

  @doc """
  Everything the engine knows about itself, per shard too, as JSON.

      iex> {:ok, json} = WarpEngine.Native.stats_json(WarpEngine.Native.open!(:memory))
      iex> String.starts_with?(json, "{")
      true
  """
  @spec stats_json(db) :: {:ok, String.t()} | error
  def stats_json(db), do: Nif.stats_json(ref(db))

  ## Helpers

  @compile {:inline, ref: 1}
  defp ref(%__MODULE__{ref: ref}), do: ref
  defp ref(name) when is_atom(name), do: Server.handle!(name).ref

  defp zero_copy([]), do: false
  defp zero_copy(zero_copy: pin) when is_boolean(pin), do: pin

  defp zero_copy(other) do
    raise ArgumentError, "the options of a read are [zero_copy: boolean], not #{inspect(other)}"
  end

  # WARP_HOT, WARP_WARM, WARP_COLD.
  defp hint(hint: :hot), do: 1
  defp hint(hint: :warm), do: 2
  defp hint(hint: :cold), do: 3

  defp hint(other) do
    raise ArgumentError,
          "the options of a put are [hint: :hot | :warm | :cold], not #{inspect(other)}"
  end

  defp binary_or_nil(nil), do: nil
  defp binary_or_nil(value) when is_binary(value), do: value
  defp binary_or_nil(value), do: IO.iodata_to_binary(value)

  defp decode(key, bytes, how) do
    {:ok, :erlang.binary_to_term(bytes, how)}
  rescue
    ArgumentError ->
      what = if how == [:safe], do: "a safe term", else: "a term"
      {:error, Error.new(:invalid_term, "the value of #{inspect(key)} is not #{what}")}
  end

  defimpl Inspect do
    def inspect(%{path: path}, _options), do: "#WarpEngine.Native<#{Kernel.inspect(path)}>"
  end
end
