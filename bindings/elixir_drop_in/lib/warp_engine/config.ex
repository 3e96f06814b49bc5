defmodule WarpEngine.Config do
  @moduledoc """
  Configuration: the original's keys, each honoured or refused by its name.

      config :warp_engine,
        data_root: "/var/lib/my_app",
        durability: :periodic

  ## Keys that are new

  | key | default | |
  | --- | --- | --- |
  | `:durability` | `:process` | what an acknowledged put survives: `:process` the death of the emulator, `:periodic` that and a power failure once it is 100 ms old, `:sync` a power failure at once |
  | `:memory_limit` | engine's | ceiling for what the engine keeps resident, such as `"1G"` |
  | `:open_timeout_ms` | `30_000` | how long one attempt to open waits for a directory that another process has open; the engine retries with backoff meanwhile |
  | `:open_retries` | `3` | further attempts when an attempt ended busy or late |
  | `:open_backoff_ms` | `200` | pause before the first of them; it doubles |
  | `:progressive_start` | `false` | start at once and open in the background; `WarpEngine.await_ready/1` waits |
  | `:term_cache_bytes` | 64 MiB | bound of the cache of decoded terms |
  | `:temperature_half_life_s` | `600` | see `WarpEngine.Temperature` |
  | `:place_groups` | `false` | the pattern rules also place: the keys of a group get one shard and one place on the disk, for a few tens of nanoseconds a call |
  | `:refused_options` | `:error` | `:warn` starts in spite of refused keys, and says which they are |

  ## Keys of the original that are honoured

  | key | default | what it does now |
  | --- | --- | --- |
  | `:data_root` | `"/data"` | the database is the directory `engine` in it |
  | `:num_numbered_shards` | `24` | shards of the engine, for a directory that is new |
  | `:bench_mode` | `false` | no entropy monitor and, unless the next two say so, no pattern rules and no cache. Writes are as durable as ever |
  | `:enable_auto_entanglement_in_bench`, `:enable_event_horizon_cache_in_bench` | `true` | pattern rules, cache of decoded terms, in bench mode |
  | `:enable_auto_entanglement` | `true` | whether pattern rules apply: they are the engine's, and part of the database |
  | `:entanglement_rules` | the six built in | `[{"user:*", ["profile:*"]}]`: replaces them, and applies. At most 64 rules, of 2 to 16 patterns with one star each; others are refused |
  | `:disable_phase4` | `false` | no cache of decoded terms |
  | `:cache_sample_rate_get` | `4` | a decoded value is kept one time in n, one in 8 at most, of keys that are hot; 1 keeps every value |
  | `:cache_write_through_on_put`, `:cache_sample_rate_put` | `false`, `8` | one value in n is kept at its put already |
  | `:enable_entropy_monitoring` | `true` | and `:entropy_monitoring_interval`, `:entropy_threshold`, `:entropy_persistence`, `:entropy_analytics`, `:vacuum_stability_checks`: see `WarpEngine.EntropyMonitor` |
  | `:enable_maxwell_demon` | `false` | the monitor rebalances by itself while the load is skewed |
  | `:use_numbered_shards`, `:force_ultra_fast_path`, `:disable_operation_batcher`, `:disable_intelligent_load_balancer` | any | accepted: the engine's shards are always numbered, its path is always the short one, and neither process exists |

  ## Keys of the original that are refused

  Only the value that describes what is so anyway is accepted.

  | key | accepted | why |
  | --- | --- | --- |
  | `:enable_wal` | `true` | nothing is written beside the log |
  | `:wal_sample_rate` | `1` | every write is logged |
  | `:deterministic_numbered_routing` | `true` | a key has one place |
  | `:enable_intelligent_load_balancer` | `false` | as above |
  | `:physics_sample_rate_put` | `1` | pattern rules apply to every key |
  | `:physics_offload_default` | `:call` | everything is done in the caller |
  | `:enable_gpu` | `false` | nothing here runs on a GPU; so `:gpu_batch_size`, `:gpu_flush_interval_ms`, `:gpu_max_queue` |
  | `:hot_cache_size`, `:warm_cache_size`, `:cold_cache_size`, `:universal_cache_size` and the four `…_cache_eviction_rate` | none | there is one cache, bounded by `:term_cache_bytes` |
  | `:debug_shard_routing` | `false` | |

  A refused key stops the start with a text that names it. Keys that neither version knows are
  said in a warning.
  """

  require Logger

  @built_in_rules [
    {"user:*", ["profile:*", "settings:*", "sessions:*"]},
    {"order:*", ["customer:*", "products:*", "payment:*"]},
    {"post:*", ["author:*", "comments:*", "tags:*"]},
    {"product:*", ["reviews:*", "inventory:*", "pricing:*"]},
    {"project:*", ["team:*", "tasks:*", "milestones:*"]},
    {"article:*", ["author:*", "categories:*", "related:*"]}
  ]

  @defaults [
    data_root: "/data",
    num_numbered_shards: nil,
    durability: :process,
    memory_limit: nil,
    open_timeout_ms: 30_000,
    open_retries: 3,
    open_backoff_ms: 200,
    progressive_start: false,
    term_cache_bytes: 64 * 1024 * 1024,
    temperature_half_life_s: 600,
    place_groups: false,
    refused_options: :error,
    bench_mode: false,
    enable_auto_entanglement: true,
    enable_auto_entanglement_in_bench: true,
    enable_event_horizon_cache_in_bench: true,
    entanglement_rules: @built_in_rules,
    disable_phase4: false,
    cache_sample_rate_get: 4,
    cache_write_through_on_put: false,
    cache_sample_rate_put: 8,
    enable_entropy_monitoring: true,
    entropy_monitoring_interval: 30_000,
    entropy_threshold: 2.5,
    entropy_persistence: true,
    entropy_analytics: true,
    vacuum_stability_checks: true,
    enable_maxwell_demon: false,
    use_numbered_shards: false,
    force_ultra_fast_path: false,
    disable_operation_batcher: false,
    disable_intelligent_load_balancer: false
  ]

  @one_cache "there is one cache, bounded by :term_cache_bytes"
  @no_gpu "nothing here runs on a GPU"

  @refused %{
    enable_wal: {[true], "nothing is written beside the log; leave it out"},
    wal_sample_rate: {[1], "every write is logged"},
    deterministic_numbered_routing: {[true], "a key has one place"},
    enable_intelligent_load_balancer: {[false], "a key has one place"},
    physics_sample_rate_put: {[1], "pattern rules apply to every key"},
    physics_offload_default: {[:call], "everything is done in the caller"},
    enable_gpu: {[false], @no_gpu},
    gpu_batch_size: {[], @no_gpu},
    gpu_flush_interval_ms: {[], @no_gpu},
    gpu_max_queue: {[nil], @no_gpu},
    hot_cache_size: {[], @one_cache},
    warm_cache_size: {[], @one_cache},
    cold_cache_size: {[], @one_cache},
    universal_cache_size: {[], @one_cache},
    hot_cache_eviction_rate: {[], @one_cache},
    warm_cache_eviction_rate: {[], @one_cache},
    cold_cache_eviction_rate: {[], @one_cache},
    universal_cache_eviction_rate: {[], @one_cache},
    debug_shard_routing: {[false], "a key has one place"}
  }

  @rules_max 64
  @patterns_max 16

  @enforce_keys [:options, :rules, :engine_rules, :directed]
  defstruct [:options, :rules, :engine_rules, :directed]

  @type t :: %__MODULE__{
          options: %{atom => term},
          rules: [rule],
          engine_rules: [[String.t()]],
          directed: [{split, split}]
        }
  @typedoc "What is before the star of a pattern, and what is after it."
  @type split :: {String.t(), String.t()}
  @typedoc "A pattern and the patterns of its partners, with one star each."
  @type rule :: {String.t(), [String.t()]}
  @type refusal :: {atom, String.t()}

  @doc """
  The configuration in a keyword list.

      iex> {:ok, config} = WarpEngine.Config.new(data_root: "/tmp", num_numbered_shards: 8)
      iex> {WarpEngine.Config.get(config, :num_numbered_shards), WarpEngine.Config.get(config, :durability)}
      {8, :process}

      iex> {:error, {:refused_options, [{:wal_sample_rate, text}]}} = WarpEngine.Config.new(wal_sample_rate: 8)
      iex> text
      "wal_sample_rate: 8 is refused: every write is logged"
  """
  @spec new(keyword) :: {:ok, t} | {:error, {:refused_options, [refusal]}}
  def new(options) do
    refused = for {name, value} <- options, text = refusal(name, value), do: {name, text}
    rules = Keyword.get(options, :entanglement_rules, @built_in_rules)

    refused =
      if rules?(rules), do: refused, else: [{:entanglement_rules, bad_rules(rules)} | refused]

    known = Keyword.keys(@defaults)
    kept = Keyword.take(options, known)
    if Keyword.get(options, :refused_options) == :warn, do: warn(Keyword.values(refused))
    warn(for {name, _} <- options, unknown?(name, known), do: "#{name} is not known")

    if refused == [] or kept[:refused_options] == :warn do
      options = Map.new(Keyword.merge(@defaults, kept))
      options = if rules?(rules), do: options, else: %{options | entanglement_rules: []}
      rules = applied_rules(options)
      {engine_rules, directed} = divide(rules)

      {:ok,
       %__MODULE__{
         options: options,
         rules: rules,
         engine_rules: engine_rules,
         directed: for({from, to} <- directed, do: {split(from), split(to)})
       }}
    else
      {:error, {:refused_options, refused}}
    end
  end

  @doc """
  One option.

      iex> {:ok, config} = WarpEngine.Config.new([])
      iex> WarpEngine.Config.get(config, :place_groups)
      false
  """
  @spec get(t, atom) :: term
  def get(%__MODULE__{options: options}, name), do: Map.fetch!(options, name)

  @doc """
  The directory of the database.

      iex> {:ok, config} = WarpEngine.Config.new(data_root: "/srv")
      iex> WarpEngine.Config.path(config)
      "/srv/engine"
  """
  @spec path(t) :: Path.t()
  def path(config), do: Path.join(get(config, :data_root), "engine")

  @doc """
  Options of `WarpEngine.Native.open/2`.

      iex> {:ok, config} = WarpEngine.Config.new(num_numbered_shards: 4)
      iex> WarpEngine.Config.engine_options(config)
      [shards: 4, durability: :process, open_timeout_ms: 30_000]
  """
  @spec engine_options(t) :: keyword
  def engine_options(config) do
    for {option, name} <- [
          shards: :num_numbered_shards,
          durability: :durability,
          memory_limit: :memory_limit,
          open_timeout_ms: :open_timeout_ms
        ],
        value = get(config, name),
        do: {option, value}
  end

  @doc """
  The pattern rules that apply.

      iex> {:ok, config} = WarpEngine.Config.new(enable_auto_entanglement: false)
      iex> WarpEngine.Config.rules(config)
      []
      iex> {:ok, config} = WarpEngine.Config.new(entanglement_rules: %{"user:*" => ["cart:*"]})
      iex> WarpEngine.Config.rules(config)
      [{"user:*", ["cart:*"]}]
  """
  @spec rules(t) :: [rule]
  def rules(%__MODULE__{rules: rules}), do: rules

  @doc """
  Whether there is a cache of decoded terms.

      iex> {:ok, config} = WarpEngine.Config.new(disable_phase4: true)
      iex> WarpEngine.Config.cache?(config)
      false
  """
  @spec cache?(t) :: boolean
  def cache?(config) do
    bench? = get(config, :bench_mode) and not get(config, :enable_event_horizon_cache_in_bench)
    not bench? and not get(config, :disable_phase4) and get(config, :term_cache_bytes) > 0
  end

  @doc """
  Whether there is an entropy monitor.

      iex> {:ok, config} = WarpEngine.Config.new(bench_mode: true)
      iex> WarpEngine.Config.monitor?(config)
      false
  """
  @spec monitor?(t) :: boolean
  def monitor?(config) do
    get(config, :enable_entropy_monitoring) and not get(config, :bench_mode)
  end

  defp applied_rules(options) do
    bench? = options.bench_mode and not options.enable_auto_entanglement_in_bench

    if options.enable_auto_entanglement and not bench?,
      do: Enum.map(options.entanglement_rules, &rule/1),
      else: []
  end

  @doc """
  Rules as the engine can have them, and what is left.

  In the engine a pattern belongs to one rule, and the keys of a group are partners of each other.
  Of a pattern that an earlier rule has, what remains is that keys of the later rule lead to it.

      iex> WarpEngine.Config.divide([{"post:*", ["author:*"]}, {"article:*", ["author:*", "related:*"]}])
      {[["post:*", "author:*"], ["article:*", "related:*"]], [{"article:*", "author:*"}]}
  """
  @spec divide([rule]) :: {[[String.t()]], [{String.t(), String.t()}]}
  def divide(rules) do
    {engine, directed, _} =
      for {pattern, targets} <- rules, reduce: {[], [], MapSet.new()} do
        {engine, directed, taken} ->
          {later, free} = Enum.split_with(targets, &(pattern in taken or &1 in taken))
          directed = directed ++ Enum.map(later, &{pattern, &1})
          group = [pattern | Enum.uniq(free)]

          if free == [],
            do: {engine, directed, taken},
            else: {engine ++ [group], directed, MapSet.union(taken, MapSet.new(group))}
      end

    {engine, directed}
  end

  @doc false
  @spec split(String.t()) :: split
  def split(pattern) do
    [prefix, suffix] = :binary.split(pattern, "*")
    {prefix, suffix}
  end

  # What the engine takes: see WarpEngine.Native.Placement.
  defp rules?(rules) do
    Enum.count(rules) <= @rules_max and
      Enum.all?(rules, fn rule ->
        match?({pattern, _} when is_binary(pattern), rule) and patterns?(rule(rule))
      end)
  end

  defp patterns?({pattern, targets}) do
    length(targets) in 1..(@patterns_max - 1)//1 and
      Enum.all?([pattern | targets], &(is_binary(&1) and length(:binary.matches(&1, "*")) == 1))
  end

  defp bad_rules(rules) do
    "entanglement_rules: #{inspect(rules)} is refused: a rule is a pattern and 1 to " <>
      "#{@patterns_max - 1} more, each with one star, and there are at most #{@rules_max} rules"
  end

  defp rule({pattern, targets}) when is_list(targets), do: {pattern, targets}
  defp rule({pattern, target}), do: {pattern, [target]}

  defp refusal(name, value) do
    case @refused do
      %{^name => {accepted, why}} ->
        if value not in accepted, do: "#{name}: #{inspect(value)} is refused: #{why}"

      _ ->
        nil
    end
  end

  defp unknown?(name, known), do: name not in known and not is_map_key(@refused, name)

  defp warn(texts), do: Enum.each(texts, &Logger.warning("warp_engine: option " <> &1))
end
